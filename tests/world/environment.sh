# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # read by the scripts that source this
# A "world": one network namespace that holds everything a run starts, and the folder WORLD that
# holds everything a run writes. No route leads out of it. Sourced after progress.sh.
#
# Node addresses are /32 addresses on the namespace's loopback device, because the API server
# refuses 127.0.0.0/8 in endpoints and when it proxies to a node.

ADDRESS_CONTROL_PLANE=10.240.0.1
ADDRESS_NODE=10.240.0.2
ADDRESS_ACI=10.240.0.3
POD_CIDR=10.244.0.0/16
SERVICE_CIDR=10.96.0.0/16

PORT_ACI=${PORT_ACI:-8443}
PORT_ACI_CONTROL=${PORT_ACI_CONTROL:-9443}
PORT_KUBELET=${PORT_KUBELET:-10250}
REGISTRY=127.0.0.1:5000
# The same images for who knows the password; its name in images.
PRIVATE_REGISTRY=127.0.0.1:5001
PRIVATE_NAME=private.example
PRIVATE_USER=puller
PRIVATE_PASSWORD=let-me-pull

NODE=${WORLD_NODE:-virtual-kubelet}
SUBSCRIPTION=00000000-0000-0000-0000-0000000000a1
TENANT=00000000-0000-0000-0000-0000000000b2
CLIENT=00000000-0000-0000-0000-0000000000c3
SECRET=local-secret
RESOURCE_GROUP=burst
LOCATION=westeurope
SUBNET=/subscriptions/$SUBSCRIPTION/resourceGroups/$RESOURCE_GROUP/providers
SUBNET+=/Microsoft.Network/virtualNetworks/burst/subnets/pods

# enter_world DIR: sets WORLD, RUN_DIR, NETNS and IN_NS; the namespace's name is part of the world.
enter_world() {
    [ -f "$1/netns" ] || die "$1 is not a world: 'tests/world/network up' makes one"
    WORLD=$(cd "$1" && pwd)
    RUN_DIR=$WORLD
    NETNS=$(cat "$WORLD/netns")
    IN_NS=(nsenter "--net=/run/netns/$NETNS")
}
