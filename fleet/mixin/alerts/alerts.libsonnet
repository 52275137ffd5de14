// SPDX-License-Identifier: LGPL-2.1-or-later
{
  local c = $._config,
  local with(labels) = std.join(', ', std.filter(function(s) s != '', [c.selector, labels])),
  local args = { all: with(''), stale: c.staleSeconds, slow: c.hookSlowSeconds },
  local alert(name, severity, wait, expr, summary, description) = {
    alert: name,
    expr: expr,
    [if wait != '' then 'for']: wait,
    labels: { severity: severity },
    annotations: {
      summary: summary,
      description: description,
      runbook_url: c.runbookURL % std.asciiLower(name),
    },
  },
  // What something on this host could do about it: not the kernel (huge-fault) and not the size of the BAR.
  local short = |||
    vfioalign_guest_page_size_bytes{%s} < vfioalign_guest_best_page_size_bytes{%s}
    and ignoring (limit) vfioalign_guest_limit{%s} == 1
  ||| % [with(''), with(''), with('limit=~"placement|thp"')],

  prometheusAlerts+:: {
    groups+: [{
      name: 'vfioalign',
      rules: [
        alert(
          'VfioalignGuestShort', 'warning', '5m',
          short + 'and vfioalign_guest_running{%(all)s} == 1' % args,
          'A guest runs on smaller pages than it could have.',
          'Guest {{ $labels.domain }} on {{ $labels.instance }} has a BAR on pages of {{ $value | humanize1024 }}B. vfioalignctl explain says there what helps.'
        ),
        alert(
          'VfioalignGuestWouldStartShort', 'info', '1h',
          short + 'and vfioalign_guest_running{%(all)s} == 0' % args,
          'A guest would start on smaller pages than it could have.',
          'Guest {{ $labels.domain }} on {{ $labels.instance }} would get pages of {{ $value | humanize1024 }}B at its next start. vfioalignctl explain says there what helps.'
        ),
        alert(
          'VfioalignModuleMissing', 'warning', '15m',
          |||
            vfioalign_module_state{%s} == 1
            and ignoring (state, remedy) vfioalign_remedy_guests{%s} > 0
            or vfioalign_finding{%s} > 0
          ||| % [with('state=~"absent|unloaded"'), with('remedy="module"'), with('id="next-kernel-no-module", severity="warning"')],
          'The module vfio_align is missing where it would help.',
          'On {{ $labels.instance }} {{ if $labels.state }}the module is {{ $labels.state }}{{ else }}the kernel that boots next lacks the module{{ end }}, and guests would have larger pages with it. After an upgrade of the kernel, it may not have been built: dkms status.'
        ),
        alert(
          'VfioalignModuleDead', 'warning', '5m',
          'vfioalign_module_state{%s} == 1' % with('state="dead"'),
          'The module vfio_align is loaded, and does nothing.',
          'On {{ $labels.instance }} the module says that its hook is in place, and it is not. What helps: vfioalignctl fix revert module && vfioalignctl fix apply module.'
        ),
        alert(
          'VfioalignGroupQuarantined', 'critical', '5m',
          'vfioalign_quarantined_groups{%(all)s} > 0' % args,
          'An IOMMU group is neither with VFIO nor with its drivers.',
          'On {{ $labels.instance }} {{ $value }} group(s) could be brought neither forward nor back: vfioalignctl audit names them, vfioalignctl unbind tries again.'
        ),
        alert(
          'VfioalignHookInactive', 'warning', '30m',
          'vfioalign_libvirt_hook_active{%(all)s} == 0 and vfioalign_enabled{%(all)s} == 1' % args,
          'libvirt does not run the hook of vfioalign.',
          'On {{ $labels.instance }} guests start unchecked: their devices are neither prepared nor looked at. What helps: systemctl reload libvirtd.'
        ),
        alert(
          'VfioalignHookSlow', 'warning', '15m',
          |||
            histogram_quantile(0.9, sum without (version) (
              rate(vfioalign_hook_duration_seconds_bucket{%(all)s}[1h])
            )) > %(slow)g
          ||| % args,
          'Starts of guests wait long for vfioalignd.',
          'On {{ $labels.instance }} one start of ten waits {{ $value | humanizeDuration }} or longer for vfioalignd.'
        ),
        alert(
          'VfioalignStale', 'warning', '10m',
          'time() - vfioalign_audit_timestamp_seconds{%(all)s} > %(stale)d' % args,
          'What is shown of a host is out of date.',
          'The last audit of {{ $labels.instance }} was {{ $value | humanizeDuration }} ago: vfioalignd does not run, or its metrics are no longer published.'
        ),
        alert(
          'VfioalignVanished', 'warning', '15m',
          |||
            group without (version) (vfioalign_build_info{%(all)s} offset 1d)
            unless group without (version) (vfioalign_build_info{%(all)s})
            and on (instance, job) up == 1
          ||| % args,
          'A host no longer has metrics of vfioalign.',
          '{{ $labels.instance }} had them a day ago and is scraped, but they are gone.'
        ),
      ],
    }],
  },
}
