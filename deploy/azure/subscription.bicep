// SPDX-License-Identifier: Apache-2.0
// What aci-kubelet reads of the subscription. Without it the node offers what --cpu, --memory and
// --pods say, whatever the quotas are.
targetScope = 'subscription'

param principalId string

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, 'aci-kubelet quotas')
  properties: {
    roleName: 'aci-kubelet quotas ${subscription().subscriptionId}'
    type: 'CustomRole'
    description: 'What aci-kubelet reads of a subscription.'
    assignableScopes: [
      subscription().id
    ]
    permissions: [
      {
        actions: [
          // the node offers no more than the quotas leave
          'Microsoft.ContainerInstance/locations/usages/read'
          // the end of a deletion that takes long
          'Microsoft.ContainerInstance/locations/operations/read'
          // whether the resource provider is registered
          'Microsoft.Resources/subscriptions/providers/read'
        ]
      }
    ]
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, principalId, 'aci-kubelet quotas')
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: role.id
  }
}
