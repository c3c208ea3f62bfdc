// SPDX-License-Identifier: Apache-2.0
// What aci-kubelet needs in Azure: a subnet delegated to container groups, an identity, and roles
// with no more than the actions that it uses. Into the resource group of the container groups, with
// the virtual network in it:
//
//   az deployment group create --resource-group burst --template-file deploy/azure/main.bicep \
//     --parameters vnetName=cluster subnetPrefix=10.241.0.0/16 oidcIssuer=$(az aks show ... \
//     --query oidcIssuerProfile.issuerUrl -o tsv)
//
// Not run against Azure; a test compares the actions with `aci-kubelet check --actions`.
targetScope = 'resourceGroup'

@description('Of all resources; the container groups must be in the virtual network\'s region.')
param location string = resourceGroup().location

@description('An existing virtual network of this resource group, from which the cluster is reached.')
param vnetName string

param subnetName string = 'aci'

@description('Addresses of the pods; a container group takes one. No other resource may use the subnet.')
param subnetPrefix string

param identityName string = 'aci-kubelet'

@description('Issuer of the cluster\'s service account tokens, for workload identity; empty for none.')
param oidcIssuer string = ''

@description('The service account that becomes the identity.')
param serviceAccount string = 'aci-kubelet:aci-kubelet'

resource vnet 'Microsoft.Network/virtualNetworks@2023-09-01' existing = {
  name: vnetName
}

resource subnet 'Microsoft.Network/virtualNetworks/subnets@2023-09-01' = {
  parent: vnet
  name: subnetName
  properties: {
    addressPrefix: subnetPrefix
    delegations: [
      {
        name: 'container-groups'
        properties: {
          serviceName: 'Microsoft.ContainerInstance/containerGroups'
        }
      }
    ]
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: identityName
  location: location
}

resource federation 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = if (!empty(oidcIssuer)) {
  parent: identity
  name: 'aci-kubelet'
  properties: {
    issuer: oidcIssuer
    subject: 'system:serviceaccount:${serviceAccount}'
    audiences: [
      'api://AzureADTokenExchange'
    ]
  }
}

// Names of roles are unique within a tenant, which may have such a resource group twice.
resource groupRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'aci-kubelet')
  properties: {
    roleName: 'aci-kubelet ${resourceGroup().name} ${uniqueString(resourceGroup().id)}'
    type: 'CustomRole'
    description: 'Container groups of aci-kubelet.'
    assignableScopes: [
      resourceGroup().id
    ]
    permissions: [
      {
        actions: [
          // states of container groups, and their list
          'Microsoft.ContainerInstance/containerGroups/read'
          // a pod starts
          'Microsoft.ContainerInstance/containerGroups/write'
          // a pod ends
          'Microsoft.ContainerInstance/containerGroups/delete'
          // kubectl logs
          'Microsoft.ContainerInstance/containerGroups/containers/logs/read'
          // kubectl exec and cp
          'Microsoft.ContainerInstance/containerGroups/containers/exec/action'
          // kubectl attach, and logs -f without delay
          'Microsoft.ContainerInstance/containerGroups/containers/attach/action'
          // a failed liveness probe restarts the pod
          'Microsoft.ContainerInstance/containerGroups/restart/action'
          // kubectl top where the realtime extension does not answer
          'Microsoft.Insights/metrics/read'
          // what the identity may do
          'Microsoft.Authorization/permissions/read'
        ]
      }
    ]
  }
}

resource groupAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, identity.id, 'aci-kubelet')
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: groupRole.id
  }
}

resource subnetRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'aci-kubelet subnet')
  properties: {
    roleName: 'aci-kubelet subnet ${resourceGroup().name} ${uniqueString(resourceGroup().id)}'
    type: 'CustomRole'
    description: 'Container groups of aci-kubelet in one subnet.'
    assignableScopes: [
      resourceGroup().id
    ]
    permissions: [
      {
        actions: [
          // a container group in the subnet
          'Microsoft.Network/virtualNetworks/subnets/join/action'
          // whether the subnet is delegated
          'Microsoft.Network/virtualNetworks/subnets/read'
        ]
      }
    ]
  }
}

resource subnetAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subnet.id, identity.id, 'aci-kubelet')
  scope: subnet
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subnetRole.id
  }
}

// A deployment of the subscription keeps its region: one name for each resource group.
module quotas 'subscription.bicep' = {
  name: 'aci-kubelet-quotas-${uniqueString(resourceGroup().id)}'
  scope: subscription()
  params: {
    principalId: identity.properties.principalId
  }
}

output subnetId string = subnet.id
output clientId string = identity.properties.clientId
output tenantId string = identity.properties.tenantId
