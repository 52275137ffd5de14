// SPDX-License-Identifier: LGPL-2.1-or-later
local p = import 'panels.libsonnet';
{
  local c = $._config,
  local with(labels) = std.join(', ', std.filter(function(s) s != '', [c.selector, labels])),
  local all = { all: with('') },
  local short = |||
    vfioalign_guest_page_size_bytes{%s} < vfioalign_guest_best_page_size_bytes{%s}
    and ignoring (limit) vfioalign_guest_limit{%s} == 1
  ||| % [with(''), with(''), with('limit=~"placement|thp"')],
  local legend = { legend: { displayMode: 'list', placement: 'bottom', showLegend: true }, tooltip: { mode: 'multi', sort: 'desc' } },
  local stacked = { custom: { stacking: { mode: 'normal', group: 'A' }, fillOpacity: 60, lineWidth: 1 }, min: 0 },

  grafanaDashboards+:: {
    'vfioalign-fleet.json': p.dashboard(
      'vfioalign-fleet', 'vfioalign / Fleet', 'Which hosts have guests on smaller pages than they could have, and what helps.', c, [],
      [
        p.stat('Hosts', 'Hosts with metrics of vfioalign', 0, 0, 4, 'count(vfioalign_build_info{%(all)s})' % all),
        p.stat('Guests short', 'Guests on smaller pages than something on their host could give them', 4, 0, 4,
               'count(%s) or vector(0)' % short, 'short', p.bad_above_zero),
        p.stat('Memory on its best pages', 'Of the memory of VFIO devices that processes map', 8, 0, 5, |||
          1 - sum(vfioalign_mapped_short_bytes{%(all)s}) / (sum(vfioalign_mapped_bytes{%(all)s}) > 0)
        ||| % all, 'percentunit', p.good_at_one),
        p.stat('Best starts', 'Of the starts of guests in the last day', 13, 0, 5, |||
          sum(increase(vfioalign_guest_starts_total{%s}[1d])) / (sum(increase(vfioalign_guest_starts_total{%s}[1d])) > 0)
        ||| % [with('result="best"'), with('')], 'percentunit', p.good_at_one),
        p.stat('Groups in quarantine', 'IOMMU groups that are neither with VFIO nor with their drivers', 18, 0, 6,
               'sum(vfioalign_quarantined_groups{%(all)s})' % all, 'short', p.bad_above_zero),
        p.panel('timeseries', 'Mapped memory by page size', 'Of all VFIO devices that processes map', 0, 4, 12, 8,
                [p.over('sum by (page_size) (vfioalign_mapped_bytes{%(all)s})' % all, '{{page_size}}')], 'bytes', legend,
                { defaults: stacked, overrides: [p.color('4KiB', p.red), p.color('2MiB', p.amber), p.color('1GiB', p.green)] }),
        p.panel('bargauge', 'What would help', 'Guests by remedy; one guest can have several', 12, 4, 6, 8,
                [p.now('sum by (remedy) (vfioalign_remedy_guests{%(all)s})' % all, '{{remedy}}')], 'short',
                { orientation: 'horizontal', displayMode: 'basic', reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false } }),
        p.panel('bargauge', 'Module', 'Hosts by the state of the module vfio_align', 18, 4, 6, 8,
                [p.now('count by (state) (vfioalign_module_state{%(all)s} == 1)' % all, '{{state}}')], 'short',
                { orientation: 'horizontal', displayMode: 'basic', reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false } }),
        p.panel('table', 'Hosts in need', 'Guests on smaller pages than something on their host could give them', 0, 12, 12, 9,
                [p.rows('sort_desc(count by (instance) (%s))' % short)], 'short', {}, {
                  overrides: [{ matcher: { id: 'byName', options: 'Time' }, properties: [{ id: 'custom.hidden', value: true }] }],
                  transformations: [{ id: 'organize', options: { renameByName: { Value: 'guests short' } } }],
                }),
        p.panel('table', 'Findings', 'Hosts by finding', 12, 12, 12, 9,
                [p.rows('sort_desc(count by (id, severity) (vfioalign_finding{%s}))' % with('severity!="info"'))], 'short', {}, {
                  overrides: [{ matcher: { id: 'byName', options: 'Time' }, properties: [{ id: 'custom.hidden', value: true }] }],
                  transformations: [{ id: 'organize', options: { renameByName: { Value: 'hosts' } } }],
                }),
        p.panel('timeseries', 'Starts by result', 'Starts of guests with VFIO devices', 0, 21, 12, 8,
                [p.over('sum by (result) (increase(vfioalign_guest_starts_total{%(all)s}[$__rate_interval]))' % all, '{{result}}')], 'short',
                legend, { defaults: stacked, overrides: [p.color('best', p.green), p.color('short', p.red), p.color('refused', p.amber)] }),
        p.panel('heatmap', 'Wait for vfioalignd', 'How long starts of guests wait for its answer', 12, 21, 12, 8,
                [p.heat('sum by (le) (increase(vfioalign_hook_duration_seconds_bucket{%(all)s}[$__rate_interval]))' % all)], 's',
                { calculate: false, yAxis: { unit: 's' }, color: { mode: 'scheme', scheme: 'Oranges', steps: 64 } }),
      ]
    ),
  },
}
