// SPDX-License-Identifier: LGPL-2.1-or-later
{
  _config+:: {
    // Which series of vfioalign are looked at: 'job="node", region="eu"'.
    selector: '',

    // The daemon audits each hour (AuditIntervalSec=); three of them may be missed.
    staleSeconds: 3 * 3600,

    // What a guest's start may wait for the daemon; HookDeadlineSec= is five seconds.
    hookSlowSeconds: 2.5,

    // Where docs/alerts.md is: %s is the alert's name in lower case.
    runbookURL: 'https://vfioalign.org/docs/alerts.md#%s',

    dashboardTags: ['vfioalign'],
    dashboardRefresh: '5m',
  },
}
