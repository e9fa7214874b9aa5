package pkcs7

import (
	"strings"

	"kanshiki/parsers/internal/der"
)

// Part is one attribute of a distinguished name.
type Part struct{ Kind, Value string }

// Name is a distinguished name in the order of the certificate.
type Name []Part

// String prints the name as openssl does: "C=US, O=Example, CN=Signer".
func (n Name) String() string {
	out := make([]string, len(n))
	for i, p := range n {
		out[i] = p.Kind + "=" + p.Value
	}
	return strings.Join(out, ", ")
}

// Common is the common name, or the whole where there is none.
func (n Name) Common() string {
	for i := len(n) - 1; i >= 0; i-- {
		if n[i].Kind == "CN" {
			return n[i].Value
		}
	}
	return n.String()
}

// kinds are the short names of RFC 4519 and openssl.
var kinds = map[string]string{
	"2.5.4.3": "CN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
	"2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.15": "businessCategory",
	"2.5.4.17": "postalCode", "2.5.4.97": "organizationIdentifier",
	"0.9.2342.19200300.100.1.25": "DC", "1.2.840.113549.1.9.1": "emailAddress",
	"1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL", "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
	"1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}

func readName(v der.Value) Name {
	var n Name
	for _, set := range v.Kids() {
		for _, pair := range set.Kids() {
			k := pair.Kids()
			if len(k) < 2 {
				continue
			}
			kind := k[0].OID()
			if s := kinds[kind]; s != "" {
				kind = s
			}
			n = append(n, Part{kind, k[1].Text()})
		}
	}
	return n
}
