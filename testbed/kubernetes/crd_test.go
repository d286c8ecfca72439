// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import meta "k8s.io/apimachinery/pkg/apis/meta/v1"

// The fields that we use of resources whose Go types cannot be had beside our versions of the API's. They are decoded strictly:
// a field that is not here, or in another place, fails. Source: the custom resource definitions of each project.

// certificate is cert-manager.io/v1 Certificate.
type certificate struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`

	Spec struct {
		SecretName  string            `json:"secretName"`
		IssuerRef   map[string]string `json:"issuerRef"`
		Duration    meta.Duration     `json:"duration"`
		RenewBefore meta.Duration     `json:"renewBefore"`
		PrivateKey  struct {
			Algorithm      string `json:"algorithm"`
			Size           int    `json:"size"`
			RotationPolicy string `json:"rotationPolicy"`
		} `json:"privateKey"`
		Usages   []string `json:"usages"`
		DNSNames []string `json:"dnsNames"`
	} `json:"spec"`
}

// ciliumNetworkPolicy is cilium.io/v2 CiliumNetworkPolicy.
type ciliumNetworkPolicy struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`

	Spec struct {
		EndpointSelector meta.LabelSelector `json:"endpointSelector"`
		Egress           []ciliumEgress     `json:"egress"`
	} `json:"spec"`
}

type ciliumEgress struct {
	ToEntities  []string             `json:"toEntities"`
	ToEndpoints []meta.LabelSelector `json:"toEndpoints"`
	ToFQDNs     []struct {
		MatchName string `json:"matchName"`
	} `json:"toFQDNs"`
	ToPorts []struct {
		Ports []struct {
			Port     string `json:"port"`
			Protocol string `json:"protocol"`
		} `json:"ports"`
		Rules struct {
			DNS []struct {
				MatchPattern string `json:"matchPattern"`
			} `json:"dns"`
		} `json:"rules"`
	} `json:"toPorts"`
}
