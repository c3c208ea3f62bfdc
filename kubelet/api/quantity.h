/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes quantities ("100m", "1.5Gi", "2e3"). Source: k8s v1.37.2
 * apimachinery/pkg/api/resource/quantity.go. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Value times 1000, rounded up like Quantity.MilliValue (away from zero), saturated at int64. False
 * on bad syntax; NULL is bad syntax. "0.5m" gives 1.
 */
bool quantity_milli(const char *text, int64_t *ret);
/* Whole units, rounded up like Quantity.Value. */
bool quantity_value(const char *text, int64_t *ret);
