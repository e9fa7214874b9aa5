// Package authenticode reads the signature of a program: the content of a
// certificate of type 2 in a PE's attribute certificate table, or any other
// signed message whose content is a digest of a file (Microsoft, "Windows
// Authenticode Portable Executable Signature Format", 2008).
//
// Given: the digest that was signed and its algorithm, all signers with their
// certificates' names, serial numbers and validity, the description the signer
// gave, times by the signer's word and by countersigners', nested signatures,
// whether page hashes are there, and whether the signature over the digest is
// intact.
//
// Not decided: whether a chain leads to a root, whether a certificate was
// revoked or expired, whether the digest is the file's (the caller computes
// it).
package authenticode

import (
	"bytes"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/der"
	"kanshiki/parsers/internal/pkcs7"
)

// What signers and certificates say is shared with catalogues.
type (
	Signer           = pkcs7.Signer
	Certificate      = pkcs7.Certificate
	Countersignature = pkcs7.Countersignature
	Name             = pkcs7.Name
	Verdict          = pkcs7.Verdict
)

// Whether the signature over the content is right.
const (
	Intact       = pkcs7.Intact
	Broken       = pkcs7.Broken
	NotCheckable = pkcs7.NotCheckable
)

const (
	oidIndirectData = "1.3.6.1.4.1.311.2.1.4"
	oidImageData    = "1.3.6.1.4.1.311.2.1.15"
)

// Signature is one signature; a program may carry several, side by side or one
// inside the other.
type Signature struct {
	Image        bool // the digest is an image hash of a PE, not one of a whole file
	DigestAlg    string
	Digest       []byte
	PageHash     string // algorithm of the page hashes, "" where there are none
	Signers      []Signer
	Certificates []Certificate
	Nested       bool // it stood inside another one
	Damage       []error
}

// Parse reads a signature and those nested in it, the outer one first. Bytes
// after the message are padding. base is the offset of b in its source.
func Parse(b []byte, base int64) ([]Signature, error) {
	s, err := pkcs7.Parse(b, base)
	if err != nil {
		return nil, err
	}
	return flatten(nil, s, base, false)
}

func flatten(out []Signature, s *pkcs7.Signed, base int64, nested bool) ([]Signature, error) {
	if s.ContentType != oidIndirectData {
		return out, cursor.Errorf(base, "signed content of type %s, not a file's digest", s.ContentType)
	}
	sig := Signature{Signers: s.Signers, Certificates: s.Certificates, Nested: nested, Damage: s.Damage}
	kind, alg, digest, ok := pkcs7.Digest(s.Content)
	if !ok {
		return out, cursor.Errorf(s.Content.Off, "no digest in the signed content")
	}
	sig.Image, sig.DigestAlg, sig.Digest = kind == oidImageData, alg, digest
	sig.PageHash = pageHash(s.Content.Body)
	out = append(out, sig)
	at := len(out) - 1
	for _, sg := range s.Signers {
		for _, n := range sg.Nested {
			more, err := flatten(out, n, base, true)
			if err != nil {
				out[at].Damage = append(out[at].Damage, err)
				continue
			}
			out = more
		}
	}
	return out, nil
}

// pageHash looks for the object identifiers of page hashes, 1.3.6.1.4.1.311.2.3.1
// (SHA-1) and .2 (SHA-256), in the image data's serialized object.
func pageHash(content []byte) string {
	oid := []byte{der.OID, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 3}
	i := bytes.Index(content, oid)
	if i < 0 || i+len(oid) >= len(content) {
		return ""
	}
	switch content[i+len(oid)] {
	case 1:
		return "SHA1"
	case 2:
		return "SHA256"
	}
	return ""
}
