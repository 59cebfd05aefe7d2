{{/* The operator's settings (perptape_operator/settings.py): the only place where values become its environment. */}}
{{- define "perptape.environment" -}}
- {name: PERPTAPE_OPERATOR, value: {{ include "perptape.identity" . | quote }}}
- {name: PERPTAPE_NAMESPACES, value: {{ join "," (include "perptape.namespaces" . | fromJson).names | quote }}}
- {name: PERPTAPE_NAMESPACE, value: {{ .Release.Namespace | quote }}}
- {name: PERPTAPE_POD_LABELS, value: {{ include "perptape.selector" . | fromYaml | toJson | quote }}}
- {name: PERPTAPE_WORKER_IMAGE, value: {{ include "perptape.image" (dict "image" .Values.worker.image "chart" .Chart) | quote }}}
- {name: PERPTAPE_WORKER_PULL_POLICY, value: {{ .Values.worker.image.pullPolicy | quote }}}
- {name: PERPTAPE_WORKER_PULL_SECRETS, value: {{ include "perptape.secretNames" .Values.worker.imagePullSecrets | quote }}}
- {name: PERPTAPE_WORKER_RESOURCES, value: {{ include "perptape.amounts" .Values.worker.resources | quote }}}
- {name: PERPTAPE_WORKER_LOG_LEVEL, value: {{ .Values.worker.logLevel | quote }}}
- {name: PERPTAPE_WORKER_LOG_FORMAT, value: {{ .Values.worker.logFormat | quote }}}
- {name: PERPTAPE_WORKER_USER, value: {{ with .Values.runAsUser }}{{ int64 . | quote }}{{ else }}""{{ end }}}
- {name: PERPTAPE_NETWORK_POLICY, value: {{ .Values.networkPolicy.enabled | quote }}}
- {name: PERPTAPE_SCRAPERS, value: {{ .Values.networkPolicy.scrapers | toJson | quote }}}
- {name: PERPTAPE_HTTP_PORT, value: "8080"}
- {name: PERPTAPE_BUDGET_URL, value: {{ printf "http://%s.%s.svc:8080" (include "perptape.fullname" .) .Release.Namespace | quote }}}
- {name: PERPTAPE_BUDGET_FRACTION, value: {{ .Values.budget.fraction | quote }}}
- {name: PERPTAPE_BUDGET_FALLBACK, value: {{ .Values.budget.fallback | quote }}}
- {name: PERPTAPE_LOG_LEVEL, value: {{ .Values.operator.logLevel | quote }}}
- {name: PERPTAPE_LOG_FORMAT, value: {{ .Values.operator.logFormat | quote }}}
{{- end -}}

{{/* Names of pull secrets, joined by commas. */}}
{{- define "perptape.secretNames" -}}
{{- $names := list -}}
{{- range . }}{{ $names = append $names .name }}{{ end -}}
{{- join "," $names -}}
{{- end -}}

{{/* Resources as JSON whose every amount is text, as Kubernetes takes it ({cpu: 1} -> {"cpu":"1"}). */}}
{{- define "perptape.amounts" -}}
{{- $out := dict -}}
{{- range $block, $amounts := . -}}
{{- $texts := dict -}}
{{- range $resource, $amount := $amounts }}{{ $_ := set $texts $resource (toString $amount) }}{{ end -}}
{{- $_ := set $out $block $texts -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}
