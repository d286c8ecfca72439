{{- /*
Copyright The otelcol-carbon Authors
SPDX-License-Identifier: Apache-2.0
*/ -}}
{{/* The rules of ../../../prometheus know jobs and pods by this beginning. */}}
{{- define "carbon.name" -}}
{{- if not (hasPrefix "carbon-" (print .Release.Name "-")) }}carbon-{{ end }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Takes a dict of root and part (agent or gateway). */}}
{{- define "carbon.selector" -}}
app.kubernetes.io/name: otelcol-carbon
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "carbon.labels" -}}
{{ include "carbon.selector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{/* Of what the collector reads, and not of labels, which change with the version. Takes a dict of root and file. */}}
{{- define "carbon.checksum" -}}
{{ (include (printf "%s/%s" .root.Template.BasePath .file) .root | fromYaml).data | toJson | sha256sum }}
{{- end }}

{{/* The secret with the certificate of a part. Takes a dict of root and part. */}}
{{- define "carbon.secret" -}}
{{ index .root.Values.tls (printf "%sSecret" .part) | default (printf "%s-%s-tls" (include "carbon.name" .root) .part) }}
{{- end }}

{{/* Of both tracks each pod has one, in a label. Services, budgets and policies are for both. */}}
{{- define "carbon.tracks" -}}
{{ if .Values.canary.enabled }}["stable", "canary"]{{ else }}["stable"]{{ end }}
{{- end }}

{{- define "carbon.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* One of these makes the agent one with attribution: it sees the host below /hostfs. */}}
{{- define "carbon.hostfs" -}}
{{- with .Values.agent.attribution }}{{ if or .hostPID .podResources .environment .powercap }}true{{ end }}{{ end -}}
{{- end }}

{{/* Capabilities of a user other than 0 are gone after exec: what needs one needs uid 0. */}}
{{- define "carbon.agentUser" -}}
{{- with .Values.agent.attribution -}}
{{- if or .environment (and .podResources (not .podResourcesGroup)) (and .powercap (not .powercapGroup)) }}0{{ else }}10001{{ end -}}
{{- end -}}
{{- end }}

{{- define "carbon.listenerTLS" -}}
min_version: "1.3"
cert_file: /tls/tls.crt
key_file: /tls/tls.key
reload_interval: 1m
{{- end }}

{{- define "carbon.mutualTLS" -}}
{{ include "carbon.listenerTLS" . }}
client_ca_file: /tls/ca.crt
client_ca_file_reload: true
{{- end }}

{{- define "carbon.clientTLS" -}}
min_version: "1.3"
ca_file: /tls/ca.crt
cert_file: /tls/tls.crt
key_file: /tls/tls.key
reload_interval: 1m
{{- end }}

{{/* The collector's own telemetry has no TLS: it stays on loopback, and the prometheus exporter serves it. */}}
{{- define "carbon.telemetry" -}}
logs:
  encoding: json
metrics:
  level: detailed # with how long calls take
  views:
    # The default's first bucket is 5 seconds.
    - selector:
        instrument_name: otelcol_processor_internal_duration
      stream:
        aggregation:
          explicit_bucket_histogram:
            boundaries: [0.0001, 0.00025, 0.0005, 0.00075, 0.001, 0.0025, 0.005, 0.01, 0.1, 1]
  readers:
    - pull:
        exporter:
          prometheus:
            host: 127.0.0.1
            port: 8888
{{- end }}

{{- define "carbon.selfReceiver" -}}
config:
  scrape_configs:
    - job_name: otelcol-carbon
      scrape_interval: 30s
      static_configs:
        - targets: [127.0.0.1:8888]
{{- end }}

{{- define "carbon.probes" -}}
{{- range $i, $probe := list "startup" "liveness" "readiness" }}
{{- if $i }}{{ "\n" }}{{ end -}}
{{ $probe }}Probe:
  httpGet: {path: /, port: health, scheme: HTTPS}
  {{- if eq $probe "startup" }}
  periodSeconds: 2
  failureThreshold: 60
  {{- end }}
{{- end }}
{{- end }}
