{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- define "aci-kubelet.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Of a node's objects; two nodes never get the same one, however long their names are. */ -}}
{{- define "aci-kubelet.nodeObject" -}}
{{- $name := printf "%s-%s" (include "aci-kubelet.fullname" .root) (.node.name | replace "." "-") -}}
{{- if gt (len $name) 57 -}}
{{- printf "%s-%s" (trunc 46 $name | trimSuffix "-") (sha256sum .node.name | trunc 10) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{- define "aci-kubelet.serviceAccount" -}}
{{- default (include "aci-kubelet.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- /* Cluster-wide objects: two releases of one name may live in two namespaces, whose names hold no
dot. */ -}}
{{- define "aci-kubelet.clusterName" -}}
{{- printf "%s.%s" .Release.Namespace (include "aci-kubelet.fullname" .) -}}
{{- end -}}

{{- define "aci-kubelet.secret" -}}
{{- default (printf "%s-azure" (include "aci-kubelet.fullname" .)) .Values.azure.credentials.existingSecret -}}
{{- end -}}

{{- define "aci-kubelet.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "aci-kubelet.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* Of the pods of one node, or of all where node is missing. */ -}}
{{- define "aci-kubelet.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- with .node }}
app.kubernetes.io/component: {{ include "aci-kubelet.nodeObject" $ }}
{{- end }}
{{- end -}}

{{- define "aci-kubelet.nodeNames" -}}
[{{ range $i, $node := .Values.nodes }}{{ if $i }}, {{ end }}{{ $node.name | quote }}{{ end }}]
{{- end -}}

{{- define "aci-kubelet.leaseNames" -}}
[{{ range $i, $node := .Values.nodes }}{{ if $i }}, {{ end }}{{ printf "aci-kubelet-%s" $node.name | quote }}{{ end }}]
{{- end -}}

{{- /* Helm holds the numbers of a file as floats, of which Go prints great ones as 1e+06. */ -}}
{{- define "aci-kubelet.optionValue" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}
{{- printf "%.0f" . -}}
{{- else -}}
{{- printf "%v" . -}}
{{- end -}}
{{- end -}}

{{- /* Where the container groups are, and other options; the kubelet and its drain take the same. */ -}}
{{- define "aci-kubelet.args" -}}
{{- $azure := .root.Values.azure -}}
- --nodename={{ .node.name }}
- --subscription={{ $azure.subscriptionId }}
- --resource-group={{ default $azure.resourceGroup .node.resourceGroup }}
- --location={{ default $azure.location .node.location }}
{{- with .node.subnetIds }}
- --subnet-id={{ join "," . }}
{{- end }}
- --os={{ default "Linux" .node.os }}
{{- if eq $azure.credentials.type "azureJson" }}
- --azure-config=/etc/azure/azure.json
{{- end }}
{{- if eq $azure.credentials.type "clientCertificate" }}
- --client-certificate=/etc/azure/tls.crt
- --client-certificate-key=/etc/azure/tls.key
{{- end }}
{{- range $name, $value := mergeOverwrite (deepCopy .root.Values.options) (default (dict) .node.options) }}
- {{ printf "--%s=%s" $name (include "aci-kubelet.optionValue" $value) | quote }}
{{- end }}
{{- end -}}

{{- define "aci-kubelet.env" -}}
{{- $credentials := .Values.azure.credentials -}}
{{- with .Values.azure.tenantId }}
- name: AZURE_TENANT_ID
  value: {{ . | quote }}
{{- end }}
{{- with $credentials.clientId }}
- name: {{ eq $credentials.type "managedIdentity" | ternary "ACI_KUBELET_IDENTITY_CLIENT_ID" "AZURE_CLIENT_ID" }}
  value: {{ . | quote }}
{{- end }}
{{- if eq $credentials.type "workloadIdentity" }}
- name: AZURE_FEDERATED_TOKEN_FILE
  value: /var/run/secrets/azure/tokens/azure-identity-token
{{- end }}
{{- if eq $credentials.type "clientSecret" }}
- name: AZURE_CLIENT_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ include "aci-kubelet.secret" . | quote }}
      key: clientSecret
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "aci-kubelet.credentialMounts" -}}
{{- $type := .Values.azure.credentials.type -}}
{{- if eq $type "workloadIdentity" }}
- name: azure-identity
  mountPath: /var/run/secrets/azure/tokens
  readOnly: true
{{- else if or (eq $type "azureJson") (eq $type "clientCertificate") }}
- name: azure-identity
  mountPath: /etc/azure
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "aci-kubelet.credentialVolumes" -}}
{{- $type := .Values.azure.credentials.type -}}
{{- if eq $type "workloadIdentity" }}
- name: azure-identity
  projected:
    sources:
    - serviceAccountToken:
        audience: api://AzureADTokenExchange
        expirationSeconds: 3600
        path: azure-identity-token
{{- else if or (eq $type "azureJson") (eq $type "clientCertificate") }}
- name: azure-identity
  secret:
    secretName: {{ include "aci-kubelet.secret" . | quote }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "aci-kubelet.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "aci-kubelet.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* Where the pods of this chart run: on machines, never on a virtual node. */ -}}
{{- define "aci-kubelet.placement" -}}
nodeSelector:
  kubernetes.io/os: linux
  {{- with .Values.nodeSelector }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: type, operator: NotIn, values: [virtual-kubelet]}
{{- with .Values.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{- /* What a schema can't say. */ -}}
{{- define "aci-kubelet.check" -}}
{{- $azure := .Values.azure -}}
{{- $credentials := $azure.credentials -}}
{{- if not .Values.image.repository }}
{{- fail "image.repository is missing: build the image from the Dockerfile, push it to a registry of yours and name it here" }}
{{- end }}
{{- if not $azure.subscriptionId }}
{{- fail "azure.subscriptionId is missing: the Azure subscription of the container groups" }}
{{- end }}
{{- if has $credentials.type (list "workloadIdentity" "clientSecret" "clientCertificate") }}
{{- if not $credentials.clientId }}
{{- fail (printf "azure.credentials.clientId is missing: %s needs the client id of its identity" $credentials.type) }}
{{- end }}
{{- if not $azure.tenantId }}
{{- fail (printf "azure.tenantId is missing: %s needs its Entra tenant" $credentials.type) }}
{{- end }}
{{- end }}
{{- if and (eq $credentials.type "clientSecret") (not $credentials.clientSecret) (not $credentials.existingSecret) }}
{{- fail "azure.credentials: clientSecret needs clientSecret, or existingSecret, a Secret with the key clientSecret" }}
{{- end }}
{{- if and $credentials.clientSecret (ne $credentials.type "clientSecret") }}
{{- fail (printf "azure.credentials.clientSecret: %s uses none; set azure.credentials.type to clientSecret, or leave it out" $credentials.type) }}
{{- end }}
{{- if and $credentials.existingSecret (has $credentials.type (list "workloadIdentity" "managedIdentity")) }}
{{- fail (printf "azure.credentials.existingSecret: %s uses none; set azure.credentials.type to what the Secret holds, or leave it out" $credentials.type) }}
{{- end }}
{{- if and $credentials.clientSecret $credentials.existingSecret }}
{{- fail "azure.credentials: clientSecret and existingSecret are both set, and only one can be meant" }}
{{- end }}
{{- if and (has $credentials.type (list "azureJson" "clientCertificate")) (not $credentials.existingSecret) }}
{{- fail (printf "azure.credentials.existingSecret is missing: %s is read from a Secret" $credentials.type) }}
{{- end }}
{{- if and (eq .Values.serving.certificate "secret") (not .Values.serving.secretName) }}
{{- fail "serving.secretName is missing: serving.certificate is secret" }}
{{- end }}
{{- if and .Values.serving.secretName (ne .Values.serving.certificate "secret") }}
{{- fail (printf "serving.secretName: a certificate that is %s is not read from a Secret; set serving.certificate to secret, or leave it out" .Values.serving.certificate) }}
{{- end }}
{{- $own := dict "nodename" "nodes[].name" "subscription" "azure.subscriptionId" "resource-group" "resourceGroup" "location" "location" "subnet-id" "nodes[].subnetIds" "os" "nodes[].os" "port" "port" "client-ca-file" "clientCA" "tls-cert-file" "serving" "tls-private-key-file" "serving" "rotate-server-certificates" "serving" "leader-elect" "leaderElection" "leader-elect-lease-duration" "leaderElection.leaseDuration" "leader-elect-renew-deadline" "leaderElection.renewDeadline" "leader-elect-retry-period" "leaderElection.retryPeriod" "leader-elect-resource-name" "nodes[].name" "leader-elect-resource-namespace" "(the release's namespace)" "node-ip" "(the pod's own)" "address" "(the pod's own)" "tenant-id" "azure.tenantId" "client-id" "azure.credentials" "client-secret" "azure.credentials" "client-certificate" "azure.credentials" "client-certificate-key" "azure.credentials" "federated-token-file" "azure.credentials" "azure-config" "azure.credentials" }}
{{- $names := list }}
{{- range $i, $node := .Values.nodes }}
{{- range $name, $_ := mergeOverwrite (deepCopy $.Values.options) (default (dict) $node.options) }}
{{- if eq $name "log-analytics-key" }}
{{- fail "options.log-analytics-key: it is a secret, which arguments would show: give it by extraEnv, LOG_ANALYTICS_KEY from a Secret" }}
{{- end }}
{{- if hasKey $own $name }}
{{- fail (printf "options.%s: this chart sets it, by the value %s" $name (get $own $name)) }}
{{- end }}
{{- end }}
{{- if has $node.name $names }}
{{- fail (printf "nodes[%d].name: %s is there twice" $i $node.name) }}
{{- end }}
{{- $names = append $names $node.name }}
{{- if not (or $node.resourceGroup $azure.resourceGroup) }}
{{- fail (printf "azure.resourceGroup is missing, and so is nodes[%d].resourceGroup: name an existing resource group" $i) }}
{{- end }}
{{- if not (or $node.location $azure.location) }}
{{- fail (printf "azure.location is missing, and so is nodes[%d].location: name the Azure region, such as westeurope" $i) }}
{{- end }}
{{- end }}
{{- end -}}
