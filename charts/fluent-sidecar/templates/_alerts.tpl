{{/*
The alerts, from the labels that select the release's pods: what docs/metrics.md calls worth an alert.
*/}}
{{- define "fluent-sidecar.alerts" -}}
- alert: FluentSidecarNobodyWatches
  expr: sum(sidecar_leader{ {{- . -}} }) == 0
  for: 2m
  severity: critical
  summary: No sidecar watches the cluster's events.
  description: The API server forgets them after an hour. The sidecars' logs say why none leads.
- alert: FluentSidecarAbsent
  expr: absent(sidecar_build_info{ {{- . -}} })
  for: 10m
  severity: critical
  summary: No sidecar is there, or none is scraped.
  description: Neither events nor pod logs are collected where no pod of the DaemonSet runs.
- alert: FluentSidecarWatchStandsStill
  expr: max(sidecar_events_position_age_seconds{ {{- . -}} }) > 180
  for: 2m
  severity: critical
  summary: The watch on events has shown nothing for minutes.
  description: About a minute is usual in a quiet cluster. Is the API server overloaded?
- alert: FluentSidecarConfirmationStandsStill
  expr: max by (pod) (sidecar_events_oldest_unconfirmed_seconds{ {{- . -}} }) > 300
  for: 5m
  severity: warning
  summary: Events on {{ "{{ $labels.pod }}" }} wait for OpenSearch.
  description: Nothing is lost while the journal has room. `sidecar doctor` in the pod says what is wrong.
- alert: FluentSidecarEventsRefused
  expr: sum by (pod) (increase(sidecar_events_dead_lettered_total{ {{- . -}} }[15m])) > 0
  severity: warning
  summary: OpenSearch refused events of {{ "{{ $labels.pod }}" }}.
  description: The index fluent-sidecar-dead-letter has them, and why.
- alert: FluentSidecarEventGap
  expr: sum by (pod) (increase(sidecar_events_gaps_total{ {{- . -}} }[15m])) > 0
  severity: warning
  summary: Versions of events may be missing.
  description: Documents of kind EventGap say from when to when, and why.
- alert: FluentSidecarNotApplied
  expr: max(sidecar_apply_missing{ {{- . -}} }) > 0
  for: 15m
  severity: warning
  summary: Templates, policies or alerts can't be put in place in OpenSearch.
  description: The leader's log names them.
- alert: FluentSidecarConfigNotInForce
  expr: min by (pod) (sidecar_config_valid{ {{- . -}} }) == 0
  for: 5m
  severity: warning
  summary: On {{ "{{ $labels.pod }}" }} pipeline.yaml is not what is in force.
  description: It is wrong, or Fluent Bit does not work with it; the last one that worked goes on. `kubectl describe pod` says why.
- alert: FluentSidecarReloadKilledFluentBit
  expr: sum by (pod) (increase(sidecar_reloads_total{ {{- . -}} ,result="died"}[15m])) > 0
  severity: warning
  summary: A reload ended the Fluent Bit of {{ "{{ $labels.pod }}" }}.
  description: The kubelet starts it again, and what it had read is read again. Its log of before says why.
- alert: FluentSidecarNothingSent
  expr: sidecar_templates_in_place{ {{- . -}} } == 0
  for: 15m
  severity: warning
  summary: The sidecar of {{ "{{ $labels.pod }}" }} does not see its index templates in OpenSearch.
  description: Nothing is sent before they are there, or ones of another version; it waits on the node's disk. The sidecar's log says why.
- alert: FluentSidecarLogsLost
  expr: sum by (pod) (increase(sidecar_log_all_bytes_lost_total{ {{- . -}} }[15m])) > 0
  severity: warning
  summary: Log files on the node of {{ "{{ $labels.pod }}" }} went before they were read.
  description: sidecar_log_bytes_lost_total says of which containers.
- alert: FluentSidecarBufferFull
  expr: sum by (pod) (increase(sidecar_log_records_evicted_total{ {{- . -}} }[15m])) > 0
  severity: warning
  summary: The disk buffer of {{ "{{ $labels.pod }}" }} is full, so that the oldest log records go.
  description: What the log files still have of them is read again once there is room. Make buffer.disk larger, or mend OpenSearch.
- alert: FluentSidecarBackfillGrows
  expr: sum by (pod) (delta(sidecar_log_backfilling_files{ {{- . -}} }[1h])) > 0 and sum by (pod) (sidecar_log_backfilling_files{ {{- . -}} }) > 64
  for: 1h
  severity: warning
  summary: More and more rotated log files of {{ "{{ $labels.pod }}" }} wait to be read.
  description: Fluent Bit can't keep up with what the node's pods write, or OpenSearch with Fluent Bit.
- alert: FluentSidecarLogFilesUnseen
  expr: sum by (pod) (increase(sidecar_log_scan_errors_total{ {{- . -}} }[15m])) > 60
  for: 15m
  severity: warning
  summary: The sidecar of {{ "{{ $labels.pod }}" }} can't look at the node's log files.
  description: What is lost isn't counted meanwhile. Its log says why; does its pod have group 0?
{{- end -}}
