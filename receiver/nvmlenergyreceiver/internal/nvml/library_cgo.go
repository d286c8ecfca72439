// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package nvml

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/dl"
)

// library is a file of NVML that can be used, and what it has.
type library struct {
	path string
	has  map[string]bool
	// The lists of processes by symbol. go-nvml's are not used: see processList.
	lists map[string]processList
}

const libraryName = "libnvidia-ml.so.1"

// libraryDirs are where drivers put the library out of the dynamic linker's sight.
func libraryDirs() []string {
	triple := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	return []string{
		"/usr/local/nvidia/lib64",              // GKE, and images of NVIDIA
		"/run/nvidia/driver/usr/lib/" + triple, // GPU Operator's driver container on Ubuntu
		"/run/nvidia/driver/usr/lib64",         // the same on Red Hat
		"/usr/lib/wsl/lib",                     // Windows Subsystem for Linux
		"/run/opengl-driver/lib",               // NixOS
	}
}

// findLibrary tries the configured path if there is one, else the dynamic linker and then libraryDirs.
func findLibrary(configured string) (*library, error) {
	candidates := []string{configured}
	if configured == "" {
		candidates = []string{libraryName}
		for _, dir := range libraryDirs() {
			candidates = append(candidates, filepath.Join(dir, libraryName))
		}
	}
	var problems []string
	for _, path := range candidates {
		found, err := openLibrary(path)
		if err == nil {
			return found, nil
		}
		// That a file is not there needs no words of its own.
		if configured != "" || !strings.Contains(err.Error(), "No such file or directory") {
			problems = append(problems, err.Error())
		}
	}
	if configured != "" {
		return nil, fmt.Errorf("library_path: %s", problems[0])
	}
	problems = append(problems, "install the driver, start the container with NVIDIA_VISIBLE_DEVICES=all and NVIDIA_DRIVER_CAPABILITIES=utility, or set library_path")
	return nil, fmt.Errorf("no %s of an NVIDIA driver where the dynamic linker looks, nor in %s; %s", libraryName, strings.Join(libraryDirs(), ", "), strings.Join(problems, "; "))
}

// required are the functions without which nothing works. All drivers in use have them.
var required = []string{SymbolInit, SymbolShutdown, SymbolCount, SymbolHandle, SymbolUUID, SymbolName}

// optional are functions and what serves as them: go-nvml binds to the newest of the versions.
var optional = map[string][]string{
	SymbolVersion:            {SymbolVersion},
	SymbolMinor:              {SymbolMinor},
	SymbolModuleID:           {SymbolModuleID},
	SymbolEnergy:             {SymbolEnergy},
	SymbolMaxPowerLimit:      {SymbolMaxPowerLimit},
	SymbolEnforcedPowerLimit: {SymbolEnforcedPowerLimit},
	SymbolAveragePower:       {SymbolFields},
	SymbolInstantPower:       {SymbolFields},
	SymbolPowerUsage:         {SymbolPowerUsage},
	SymbolComputeCapability:  {SymbolComputeCapability},
	SymbolSamples:            {SymbolSamples},
	SymbolProcessUtilization: {SymbolProcessUtilization},
	SymbolMIGMode:            {SymbolMIGMode},
	SymbolMaxInstances:       {SymbolMaxInstances},
	SymbolInstance:           {SymbolInstance},
	SymbolAttributes:         {SymbolAttributes, "nvmlDeviceGetAttributes"},
	SymbolGPUInstanceID:      {SymbolGPUInstanceID},
	SymbolGPMSupport:         {SymbolGPMSupport},
	SymbolGPMAlloc:           {SymbolGPMAlloc},
	SymbolGPMFree:            {SymbolGPMFree},
	SymbolGPMSample:          {SymbolGPMSample},
	SymbolGPMMetrics:         {SymbolGPMMetrics},
	SymbolEventTypes:         {SymbolEventTypes},
	SymbolEventCreate:        {SymbolEventCreate},
	SymbolEventRegister:      {SymbolEventRegister},
	SymbolEventWait:          {SymbolEventWait, "nvmlEventSetWait"},
	SymbolEventFree:          {SymbolEventFree},
	SymbolUtilization:        {SymbolUtilization},
	SymbolEncoder:            {SymbolEncoder},
	SymbolDecoder:            {SymbolDecoder},
	SymbolMemory:             {SymbolMemory},
	SymbolTemperature:        {SymbolTemperature},
	SymbolClock:              {SymbolClock},
	SymbolEventReasons:       {SymbolEventReasons},
	SymbolThrottleReasons:    {SymbolThrottleReasons},
}

// openLibrary loads a file and looks up the functions, before any is called. go-nvml loads it once
// more and binds to it; this handle stays open, so that it is the same one.
func openLibrary(path string) (*library, error) {
	handle := dl.New(path, dl.RTLD_LAZY)
	if err := handle.Open(); err != nil {
		return nil, err
	}
	l := &library{path: path, has: map[string]bool{}}
	for _, symbol := range required {
		if handle.Lookup(symbol) != nil {
			_ = handle.Close()
			return nil, fmt.Errorf("%s is no NVML that can be used: it lacks %s", path, symbol)
		}
		l.has[symbol] = true
	}
	for symbol, versions := range optional {
		for _, version := range versions {
			l.has[symbol] = l.has[symbol] || handle.Lookup(version) == nil
		}
	}
	l.lists = findProcessLists(path)
	for symbol := range l.lists {
		l.has[symbol] = true
	}
	return l, nil
}
