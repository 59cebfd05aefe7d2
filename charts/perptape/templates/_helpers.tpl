{{/* The name that all objects share. */}}
{{- define "perptape.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the operator's Deployment, Service and monitors select by; never changes within a release. */}}
{{- define "perptape.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* The operator's identity. Two names that are cut to the same must not be one operator. */}}
{{- define "perptape.identity" -}}
{{- $whole := default (printf "%s.%s" .Release.Namespace (include "perptape.fullname" .)) .Values.operator.identity -}}
{{- if gt (len $whole) 63 -}}
{{- printf "%s-%s" ($whole | trunc 54 | trimSuffix "." | trimSuffix "-") ($whole | sha256sum | trunc 8) -}}
{{- else -}}
{{- $whole -}}
{{- end -}}
{{- end -}}

{{- define "perptape.labels" -}}
{{ include "perptape.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: perptape
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "perptape.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "perptape.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name an existing ServiceAccount, or set serviceAccount.create" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* An image's reference, of (dict "image" … "chart" .Chart). */}}
{{- define "perptape.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (default .chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The namespaces served, as a JSON list under "names"; none when cluster-wide. */}}
{{- define "perptape.namespaces" -}}
{{- if .Values.watch.clusterWide -}}
{{- dict "names" list | toJson -}}
{{- else -}}
{{- dict "names" (default (list .Release.Namespace) .Values.watch.namespaces | uniq) | toJson -}}
{{- end -}}
{{- end -}}

{{/* Restricted Pod Security, of a pod and of a container. */}}
{{- define "perptape.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "perptape.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Exactly what the operator does; no Secrets. Server-side apply needs create and patch. */}}
{{- define "perptape.rules" -}}
- apiGroups: [perptape.io]
  resources: [collectionspecs]
  verbs: [get, list, watch]
- apiGroups: [perptape.io]
  resources: [collectionspecs/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [persistentvolumeclaims] # hold data: never deleted
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [cronjobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs] # never changed once they are made
  verbs: [get, list, watch, create, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
{{- end -}}
