// SPDX-License-Identifier: LGPL-2.1-or-later
// What the dashboards are made of. Colours are those of Okabe and Ito, which colour-blind people tell apart.
{
  red:: '#d55e00',
  amber:: '#e69f00',
  green:: '#009e73',
  blue:: '#0072b2',

  local datasource = { type: 'prometheus', uid: '${datasource}' },
  local target(expr, legend, more={}) = {
    datasource: datasource,
    expr: expr,
    legendFormat: legend,
    refId: 'A',
  } + more,

  panel(type, title, description, x, y, w, h, targets, unit='short', options={}, more={}):: {
    type: type,
    title: title,
    description: description,
    datasource: datasource,
    gridPos: { x: x, y: y, w: w, h: h },
    targets: [targets[i] { refId: std.char(65 + i) } for i in std.range(0, std.length(targets) - 1)],
    options: options,
    fieldConfig: { defaults: { unit: unit } + (if std.objectHas(more, 'defaults') then more.defaults else {}),
                   overrides: if std.objectHas(more, 'overrides') then more.overrides else [] },
  } + (if std.objectHas(more, 'transformations') then { transformations: more.transformations } else {}),

  now(expr, legend=''):: target(expr, legend, { instant: true, range: false }),
  rows(expr):: target(expr, '', { instant: true, range: false, format: 'table' }),
  heat(expr):: target(expr, '{{le}}', { format: 'heatmap' }),
  over(expr, legend):: target(expr, legend),

  // A number that is good at 0.
  bad_above_zero:: {
    thresholds: { mode: 'absolute', steps: [{ color: $.green, value: null }, { color: $.red, value: 1 }] },
  },
  // A share that is good at 1.
  good_at_one:: {
    min: 0,
    max: 1,
    thresholds: {
      mode: 'absolute',
      steps: [{ color: $.red, value: null }, { color: $.amber, value: 0.9 }, { color: $.green, value: 0.99 }],
    },
  },

  stat(title, description, x, y, w, expr, unit='short', defaults={})::
    $.panel('stat', title, description, x, y, w, 4, [$.now(expr)], unit,
            { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false }, colorMode: 'value', graphMode: 'none' },
            { defaults: defaults }),

  color(name, color):: {
    matcher: { id: 'byName', options: name },
    properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: color } }],
  },

  dashboard(uid, title, description, config, variables, panels):: {
    uid: uid,
    title: title,
    description: description,
    tags: config.dashboardTags,
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: config.dashboardRefresh,
    time: { from: 'now-24h', to: 'now' },
    timepicker: {},
    timezone: 'browser',
    annotations: { list: [] },
    links: [{
      type: 'dashboards',
      title: 'vfioalign',
      tags: config.dashboardTags,
      asDropdown: false,
      icon: 'external link',
      includeVars: false,
      keepTime: true,
      targetBlank: false,
      tooltip: '',
      url: '',
    }],
    templating: { list: [{ type: 'datasource', name: 'datasource', label: 'Data source', query: 'prometheus' }] + variables },
    panels: [panels[i] { id: i + 1 } for i in std.range(0, std.length(panels) - 1)],
  },
}
