// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"strconv"
	"strings"
)

// DeviceRef names a GPU or a part of one, by what is known of it. Holders looks under each name.
type DeviceRef struct {
	// UUID is GPU-<uuid> of a whole GPU; not to be set for a MIG device.
	UUID string
	// MIGUUID is MIG-<uuid>.
	MIGUUID string
	// Node is the name of the GPU's file in /dev, nvidia<minor number>. Only GKE's plugin goes by it.
	Node string
	// GPUInstance is the id of a MIG device's GPU instance; it counts with MIGUUID only.
	GPUInstance int
}

// device is one of a DeviceRef's names. A slice is a GPU instance plus 1, since 0 is one as well.
type device struct {
	uuid, node string
	slice      int
}

func (d DeviceRef) names() []device {
	var names []device
	uuid, slice := d.UUID, 0
	if d.MIGUUID != "" {
		uuid, slice = d.MIGUUID, d.GPUInstance+1
	}
	if uuid != "" {
		names = append(names, device{uuid: uuid})
	}
	if d.Node != "" {
		names = append(names, device{node: d.Node, slice: slice})
	}
	return names
}

// parseDeviceID reads the ids that device plugins advertise. NVIDIA's has UUIDs, with ::<replica> behind
// where several pods share one device; GKE's has nvidia<minor>, with /gi<instance> for MIG and
// /vgpu<replica> for sharing.
func parseDeviceID(id string) (d device, replica, ok bool) {
	if uuid, number, shared := strings.Cut(id, "::"); shared || isDeviceUUID(id) {
		return device{uuid: uuid}, shared, isDeviceUUID(uuid) && (!shared || isDigits(number))
	}
	parts := strings.Split(id, "/")
	if _, ok := numbered(parts[0], "nvidia"); !ok {
		return device{}, false, false
	}
	d.node = parts[0]
	for i, part := range parts[1:] {
		if slice, ok := numbered(part, "gi"); ok && i == 0 {
			d.slice = slice + 1
		} else if _, ok := numbered(part, "vgpu"); ok && i == len(parts)-2 {
			replica = true
		} else {
			return device{}, false, false
		}
	}
	return d, replica, true
}

// isDeviceUUID accepts GPU-<uuid>, MIG-<uuid>, and MIG-GPU-<uuid>/<instance>/<instance> of drivers before 470.
func isDeviceUUID(s string) bool {
	if old, ok := strings.CutPrefix(s, "MIG-GPU-"); ok {
		parts := strings.Split(old, "/")
		return len(parts) == 3 && isUUID(parts[0]) && isDigits(parts[1]) && isDigits(parts[2])
	}
	uuid, gpu := strings.CutPrefix(s, "GPU-")
	uuid, mig := strings.CutPrefix(uuid, "MIG-")
	return gpu != mig && isUUID(uuid)
}

// uuidWithin finds a device's UUID inside of another name, such as that of a CDI device.
func uuidWithin(s string) (string, bool) {
	const length = len("GPU-") + 36
	for i := 0; i+length <= len(s); i++ {
		if (i == 0 || !isAlphanumeric(s[i-1])) && isDeviceUUID(s[i:i+length]) {
			return s[i : i+length], true
		}
	}
	return "", false
}

func numbered(s, prefix string) (int, bool) {
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || !isDigits(digits) || len(digits) > 4 {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}
