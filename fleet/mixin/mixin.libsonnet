// SPDX-License-Identifier: LGPL-2.1-or-later
// Alerts, rules and dashboards for the metrics of vfioalignctl(1): https://monitoring.mixins.dev
(import 'config.libsonnet') +
(import 'alerts/alerts.libsonnet') +
(import 'rules/rules.libsonnet') +
(import 'dashboards/fleet.libsonnet') +
(import 'dashboards/host.libsonnet')
