/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure Monitor's metrics of a container group: CpuUsage, MemoryUsage and the two network rates, at
 * grains from one minute to one hour, late by --metrics-delay. Source: aci-rest.md 13.
 */
#pragma once

#include "aci/emulator/arm_request.h"

void monitor_metrics(struct arm_request *r);
void monitor_definitions(struct arm_request *r);
