// SPDX-License-Identifier: LGPL-2.1-or-later
local p = import 'panels.libsonnet';
{
  local c = $._config,
  local with(labels) = std.join(', ', std.filter(function(s) s != '', [c.selector, labels])),
  local host = { host: with('instance="$instance"') },
  local legend = { legend: { displayMode: 'list', placement: 'bottom', showLegend: true }, tooltip: { mode: 'multi', sort: 'desc' } },
  local hidden = [{ matcher: { id: 'byName', options: name }, properties: [{ id: 'custom.hidden', value: true }] }
                  for name in ['Time', '__name__', 'instance', 'job']],

  grafanaDashboards+:: {
    'vfioalign-host.json': p.dashboard(
      'vfioalign-host', 'vfioalign / Host', 'The guests of one host, the pages that they have, and what limits them.', c, [{
        type: 'query',
        name: 'instance',
        label: 'Host',
        datasource: { type: 'prometheus', uid: '${datasource}' },
        query: { query: 'label_values(vfioalign_build_info{%s}, instance)' % with(''), refId: 'instance' },
        refresh: 2,
        sort: 1,
      }], [
        p.stat('Last audit', 'How long ago the facts below were read', 0, 0, 6, 'time() - vfioalign_audit_timestamp_seconds{%(host)s}' % host,
               's'),
        p.stat('Largest page', 'By which this kernel maps a VFIO device', 6, 0, 6, 'vfioalign_kernel_page_size_bytes{%(host)s}' % host, 'bytes'),
        p.panel('stat', 'Module', 'The state of the module vfio_align', 12, 0, 6, 4,
                [p.now('vfioalign_module_state{%(host)s} == 1' % host, '{{state}}')], 'short',
                { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false }, colorMode: 'none', graphMode: 'none',
                  textMode: 'name' }),
        p.stat('Groups in quarantine', 'IOMMU groups that are neither with VFIO nor with their drivers', 18, 0, 6,
               'vfioalign_quarantined_groups{%(host)s}' % host, 'short', p.bad_above_zero),
        p.panel('state-timeline', 'Pages of each guest', 'The page size of its BAR that falls furthest short', 0, 4, 24, 8,
                [p.over('vfioalign_guest_page_size_bytes{%(host)s}' % host, '{{domain}}')], 'bytes',
                { mergeValues: true, showValue: 'auto', rowHeight: 0.8, legend: legend.legend, tooltip: { mode: 'single' } }, {
                  defaults: {
                    custom: { fillOpacity: 70, lineWidth: 0 },
                    thresholds: {
                      mode: 'absolute',
                      steps: [{ color: p.red, value: null }, { color: p.amber, value: 2097152 }, { color: p.green, value: 1073741824 }],
                    },
                    color: { mode: 'thresholds' },
                  },
                }),
        p.panel('bargauge', 'Page faults at a start', 'Of each guest, as it is, or as it would start', 0, 12, 8, 8,
                [p.now('vfioalign_guest_page_faults{%(host)s}' % host, '{{domain}}')], 'short',
                { orientation: 'horizontal', displayMode: 'basic', reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false } }),
        p.panel('table', 'Page faults that a remedy would leave', 'Of two remedies at most, the cheapest first', 8, 12, 8, 8,
                [p.rows('vfioalign_guest_remedy_page_faults{%(host)s}' % host)], 'short', {}, { overrides: hidden }),
        p.panel('table', 'Findings', 'See vfioalignctl explain ID', 16, 12, 8, 8,
                [p.rows('vfioalign_finding{%(host)s}' % host)], 'short', {}, { overrides: hidden }),
        p.panel('bargauge', 'Seconds of the last start', 'Where it was measured (Measure=), and what of it mapping BARs for DMA took', 0, 20, 12, 8,
                [p.now('vfioalign_guest_start_seconds{%(host)s}' % host, '{{domain}}'),
                 p.now('vfioalign_guest_start_bar_seconds{%(host)s}' % host, '{{domain}}: BARs')], 's',
                { orientation: 'horizontal', displayMode: 'basic', reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false } }),
        p.panel('timeseries', 'Steps to map BARs for DMA', 'Of each guest, each time', 12, 20, 12, 8,
                [p.over('vfioalign_guest_dma_map_steps{%(host)s}' % host, '{{domain}}')], 'short', legend),
      ]
    ),
  },
}
