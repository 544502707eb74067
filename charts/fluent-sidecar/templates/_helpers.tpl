{{/*
The names of all objects. 52 characters leave room for what a Job, its pods and a DaemonSet's revisions append.
*/}}
{{- define "fluent-sidecar.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "fluent-sidecar.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/*
The name of what is not in a namespace: two releases of one name don't meet. A namespace has no dot.
*/}}
{{- define "fluent-sidecar.clusterName" -}}
{{- printf "%s.%s" (include "fluent-sidecar.namespace" .) (include "fluent-sidecar.fullname" .) -}}
{{- end -}}

{{- define "fluent-sidecar.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/*
What selects the DaemonSet's pods, which can't be changed later.
*/}}
{{- define "fluent-sidecar.selectorLabels" -}}
app.kubernetes.io/name: {{ include "fluent-sidecar.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | trunc 63 }}
app.kubernetes.io/component: node
{{- end -}}

{{/*
Labels of pods, from (dict "context" $ "component" NAME): no version of the chart, which would be a new pod for nothing.
*/}}
{{- define "fluent-sidecar.podLabels" -}}
{{- $own := include "fluent-sidecar.selectorLabels" .context | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/component" .component -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "fluent-sidecar" -}}
{{- toYaml (merge $own (deepCopy .context.Values.podLabels) (deepCopy .context.Values.commonLabels)) -}}
{{- end -}}

{{/*
Labels of an object, from (dict "context" $ "component" NAME "extra" MAP), of which the last two may be left out. None is
there twice, whatever the values say.
*/}}
{{- define "fluent-sidecar.labels" -}}
{{- with .context -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/name" (include "fluent-sidecar.name" .)
  "app.kubernetes.io/instance" (.Release.Name | trunc 63)
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/part-of" "fluent-sidecar"
  "app.kubernetes.io/managed-by" .Release.Service
-}}
{{- with $.component -}}{{- $_ := set $own "app.kubernetes.io/component" . -}}{{- end -}}
{{- toYaml (merge $own (deepCopy (default dict $.extra)) (deepCopy .Values.commonLabels)) -}}
{{- end -}}
{{- end -}}

{{/*
A probe, from (dict "path" PATH "probe" MAP): by HTTP, unless the values say how.
*/}}
{{- define "fluent-sidecar.probe" -}}
{{- $how := dict "httpGet" (dict "path" .path "port" "metrics") -}}
{{- if or .probe.exec .probe.tcpSocket .probe.grpc -}}{{- $how = dict -}}{{- end -}}
{{- toYaml (merge (deepCopy .probe) $how) -}}
{{- end -}}

{{/*
An image, from (dict "context" $ "image" {registry, repository, tag, digest} "tag" DEFAULT).
*/}}
{{- define "fluent-sidecar.image" -}}
{{- $registry := .image.registry -}}
{{- with dig "imageRegistry" "" (default dict .context.Values.global) -}}{{- $registry = . -}}{{- end -}}
{{- $name := ternary (printf "%s/%s" $registry .image.repository) .image.repository (ne $registry "") -}}
{{- printf "%s:%s" $name (default .tag .image.tag) -}}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "fluent-sidecar.sidecarImage" -}}
{{- include "fluent-sidecar.image" (dict "context" . "image" .Values.image "tag" .Chart.AppVersion) -}}
{{- end -}}

{{/*
What the configuration is rendered for: 5.1.1 is the default of fluentbit.version, which a test compares.
*/}}
{{- define "fluent-sidecar.fluentBitImage" -}}
{{- $version := dig "fluentbit" "version" "5.1.1" .Values.pipeline -}}
{{- include "fluent-sidecar.image" (dict "context" . "image" .Values.fluentBit.image "tag" $version) -}}
{{- end -}}

{{- define "fluent-sidecar.imagePullSecrets" -}}
{{- $all := concat .Values.imagePullSecrets (dig "imagePullSecrets" list (default dict .Values.global)) -}}
{{- with $all -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "fluent-sidecar.serviceAccountName" -}}
{{- $own := ternary (include "fluent-sidecar.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $own .Values.serviceAccount.name -}}
{{- end -}}

{{/*
The Lease of the sidecars: the release's own, for two releases in a namespace with one Lease had one leader, and only its
templates were put in place.
*/}}
{{- define "fluent-sidecar.lease" -}}
{{- dig "events" "lease" (ternary "fluent-sidecar" (include "fluent-sidecar.fullname" .) (ne .Values.existingConfigMap "")) .Values.pipeline -}}
{{- end -}}

{{/*
pipeline.yaml: what the values say; where the chart mounts credentials and CA, and which Lease is the release's, if they
don't.
*/}}
{{- define "fluent-sidecar.pipeline" -}}
{{- $pipeline := deepCopy .Values.pipeline -}}
{{- $opensearch := default dict $pipeline.opensearch -}}
{{- if and .Values.credentials.existingSecret (not $opensearch.auth) -}}
{{- $at := .Values.credentials.mountPath -}}
{{- $username := dict "file" (printf "%s/username" $at) -}}
{{- $password := dict "file" (printf "%s/password" $at) -}}
{{- $_ := set $opensearch "auth" (dict "basic" (dict "username" $username "password" $password)) -}}
{{- end -}}
{{- if and (include "fluent-sidecar.hasCA" .) (not (dig "tls" "ca" "" $opensearch)) -}}
{{- $_ := set $opensearch "tls" (merge (dict "ca" (include "fluent-sidecar.caFile" .)) (default dict $opensearch.tls)) -}}
{{- end -}}
{{- $_ := set $pipeline "opensearch" $opensearch -}}
{{- $lease := include "fluent-sidecar.lease" . -}}
{{- if ne $lease "fluent-sidecar" -}}
{{- $_ := set $pipeline "events" (merge (dict "lease" $lease) (default dict $pipeline.events)) -}}
{{- end -}}
{{- toYaml $pipeline -}}
{{- end -}}

{{- define "fluent-sidecar.hasCA" -}}
{{- or .Values.ca.existingSecret .Values.ca.existingConfigMap -}}
{{- end -}}

{{- define "fluent-sidecar.caFile" -}}
/run/secrets/opensearch-ca/{{ .Values.ca.key }}
{{- end -}}

{{/*
Whether a Job puts things in place in OpenSearch: opensearch.manage has credentials of its own.
*/}}
{{- define "fluent-sidecar.hasApplyJob" -}}
{{- $manage := dig "opensearch" "manage" true .Values.pipeline -}}
{{- if kindIs "map" $manage -}}true{{- end -}}
{{- end -}}

{{/*
Keys of the credentials' Secret that Fluent Bit reads itself, as JSON: of a client certificate, and a CA beside it.
*/}}
{{- define "fluent-sidecar.fluentBitKeys" -}}
{{- $keys := list -}}
{{- if .Values.credentials.existingSecret -}}
{{- $opensearch := (include "fluent-sidecar.pipeline" . | fromYaml).opensearch -}}
{{- $mtls := dig "auth" "mtls" dict $opensearch -}}
{{- range list (dig "cert" "" $mtls) (dig "key" "" $mtls) (dig "tls" "ca" "" $opensearch) -}}
{{- if eq (dir .) $.Values.credentials.mountPath -}}{{- $keys = append $keys (base .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $keys | uniq | toJson -}}
{{- end -}}

{{/*
Keys of the credentials' Secret that the Job which applies reads, as JSON: CAs that are beside a client certificate.
*/}}
{{- define "fluent-sidecar.applyKeys" -}}
{{- $keys := list -}}
{{- if .Values.credentials.existingSecret -}}
{{- $p := include "fluent-sidecar.pipeline" . | fromYaml -}}
{{- range list (dig "opensearch" "tls" "ca" "" $p) (dig "dashboards" "tls" "ca" "" $p) -}}
{{- if eq (dir .) $.Values.credentials.mountPath -}}{{- $keys = append $keys (base .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $keys | uniq | toJson -}}
{{- end -}}

{{/*
What keys of the credentials' Secret are as a volume, from (dict "context" $ "keys" LIST).
*/}}
{{- define "fluent-sidecar.certificatesVolume" -}}
- name: certificates
  secret:
    secretName: {{ .context.Values.credentials.existingSecret }}
    defaultMode: 0440
    items:
      {{- range .keys }}
      - {key: {{ . | quote }}, path: {{ . | quote }}}
      {{- end }}
{{- end -}}

{{/*
Environment variables, from (dict "own" LIST "extra" LIST "where" NAME): the user's take the place of the chart's, and
none is there twice, which a server-side apply would refuse.
*/}}
{{- define "fluent-sidecar.env" -}}
{{- $names := list -}}
{{- range .extra -}}
{{- if has .name $names -}}{{- fail (printf "%s: %s is there twice" $.where .name) -}}{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- $all := list -}}
{{- range .own -}}{{- if not (has .name $names) -}}{{- $all = append $all . -}}{{- end -}}{{- end -}}
{{- with concat $all .extra -}}
env:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/*
What the CA is, as a volume.
*/}}
{{- define "fluent-sidecar.caVolume" -}}
- name: ca
  {{- if .Values.ca.existingSecret }}
  secret:
    secretName: {{ .Values.ca.existingSecret }}
    defaultMode: 0440
    items: [{key: {{ .Values.ca.key | quote }}, path: {{ .Values.ca.key | quote }}}]
  {{- else }}
  configMap:
    name: {{ .Values.ca.existingConfigMap }}
    items: [{key: {{ .Values.ca.key | quote }}, path: {{ .Values.ca.key | quote }}}]
  {{- end }}
{{- end -}}

{{- define "fluent-sidecar.configVolume" -}}
- name: config
  configMap:
    name: {{ default (include "fluent-sidecar.fullname" .) .Values.existingConfigMap }}
{{- end -}}

{{/*
Refuses what the schema can't, in words that say what to do.
*/}}
{{- define "fluent-sidecar.check" -}}
{{- $p := .Values.pipeline -}}
{{- $problems := list -}}
{{- if not .Values.existingConfigMap -}}
{{- if not $p.cluster -}}
{{- $problems = append $problems "pipeline.cluster is missing: the cluster's name, such as --set pipeline.cluster=my-cluster" -}}
{{- end -}}
{{- if not (or (dig "opensearch" "url" "" $p) (dig "opensearch" "auth" "ssm" dict $p)) -}}
{{- $problems = append $problems "pipeline.opensearch.url is missing: such as --set pipeline.opensearch.url=https://opensearch.example:9200" -}}
{{- end -}}
{{- end -}}
{{- range $where, $url := dict "opensearch" (dig "opensearch" "url" "" $p) "dashboards" (dig "dashboards" "url" "" $p) -}}
{{- /* What could hold a password isn't repeated. */ -}}
{{- if contains "@" $url -}}
{{- $problems = append $problems (printf "pipeline.%s.url: user and password don't belong in the address, which everybody can read; write them into a Secret, and name it in credentials.existingSecret" $where) -}}
{{- else if and $url (not (regexMatch "^https?://[^/]" $url)) -}}
{{- $problems = append $problems (printf "pipeline.%s.url: expected an address such as https://%s.example, found %q" $where $where $url) -}}
{{- end -}}
{{- end -}}
{{- if eq (dig "agent" "port" 2021 $p | int) (dig "fluentbit" "port" 2020 $p | int) -}}
{{- $problems = append $problems "pipeline.fluentbit.port and pipeline.agent.port share a pod, so they must differ" -}}
{{- end -}}
{{- if and .Values.ca.existingSecret .Values.ca.existingConfigMap -}}
{{- $problems = append $problems "ca.existingSecret and ca.existingConfigMap: at most one of both" -}}
{{- end -}}
{{- if not (has (dig "agent" "address" "0.0.0.0" $p) (list "0.0.0.0" "::")) -}}
{{- $problems = append $problems "pipeline.agent.address must be 0.0.0.0 or ::, because the kubelet asks for /readyz at the pod's address" -}}
{{- end -}}
{{- if ne (int (dig "rollingUpdate" "maxSurge" 0 (default dict .Values.updateStrategy))) 0 -}}
{{- $problems = append $problems "updateStrategy.rollingUpdate.maxSurge must be 0: two pods of one node would share its state folder" -}}
{{- end -}}
{{- if and (include "fluent-sidecar.hasApplyJob" .) .Values.apply.existingSecret (eq .Values.apply.mountPath .Values.credentials.mountPath) -}}
{{- $problems = append $problems "apply.mountPath and credentials.mountPath must differ" -}}
{{- end -}}
{{- with $problems -}}
{{- fail (printf "\n\n  %s\n" (join "\n  " .)) -}}
{{- end -}}
{{- end -}}
