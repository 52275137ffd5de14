// SPDX-License-Identifier: LGPL-2.1-or-later
{
  local c = $._config,
  local with(labels) = std.join(', ', std.filter(function(s) s != '', [c.selector, labels])),
  prometheusRules+:: {
    groups+: [{
      name: 'vfioalign.rules',
      rules: [
        {
          record: 'instance:vfioalign_guests_short:count',
          expr: |||
            count without (domain) (
              vfioalign_guest_page_size_bytes{%s} < vfioalign_guest_best_page_size_bytes{%s}
              and ignoring (limit) vfioalign_guest_limit{%s} == 1
            )
          ||| % [with(''), with(''), with('limit=~"placement|thp"')],
        },
        {
          record: 'vfioalign:mapped_bytes:sum',
          expr: 'sum by (page_size) (vfioalign_mapped_bytes{%s})' % with(''),
        },
        {
          record: 'vfioalign:hosts:count',
          expr: 'count by (state) (vfioalign_module_state{%s} == 1)' % with(''),
        },
        {
          record: 'vfioalign:remedy_guests:sum',
          expr: 'sum by (remedy) (vfioalign_remedy_guests{%s})' % with(''),
        },
        {
          record: 'vfioalign:remedy_hosts:count',
          expr: 'count by (remedy) (vfioalign_remedy_guests{%s} > 0)' % with(''),
        },
        {
          record: 'vfioalign:best_starts:ratio_increase1d',
          expr: |||
            sum(increase(vfioalign_guest_starts_total{%s}[1d]))
            / (sum(increase(vfioalign_guest_starts_total{%s}[1d])) > 0)
          ||| % [with('result="best"'), with('')],
        },
      ],
    }],
  },
}
