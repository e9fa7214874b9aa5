// Package cat reads security catalogues: signed lists of file digests, by
// which Windows trusts programs that carry no signature of their own.
//
// A catalogue is signed data whose content is a certificate trust list
// (1.3.6.1.4.1.311.10.1, [MS-CAESO] and wintrust's headers): members with a
// tag, name-value pairs and the digest of one file. For a PE that digest is
// its image hash, for other files that of all bytes.
//
// Not read: revocation, policies, extensions of the list (name-value pairs of
// the whole catalogue are).
package cat

import (
	"encoding/hex"
	"time"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/der"
	"kanshiki/parsers/internal/pkcs7"
	"kanshiki/parsers/internal/utf16"
)

// MaxMembers bounds the members of one catalogue.
const MaxMembers = 1 << 20

// Signers are told as in a program's signature.
type (
	Signer      = pkcs7.Signer
	Certificate = pkcs7.Certificate
)

const (
	oidTrustList  = "1.3.6.1.4.1.311.10.1"
	oidIndirect   = "1.3.6.1.4.1.311.2.1.4"
	oidImageData  = "1.3.6.1.4.1.311.2.1.15"
	oidNameValue  = "1.3.6.1.4.1.311.12.2.1"
	oidMemberInfo = "1.3.6.1.4.1.311.12.2.2"
)

// File is a catalogue.
type File struct {
	ID         string // list identifier in hex
	Made       time.Time
	Members    []Member
	Attributes []NameValue
	Signers    []Signer // none: the list is not signed and proves nothing
	Damage     []error
}

// Member is one file of the list.
type Member struct {
	Offset     int64
	Tag        string // as Windows names the member: its digest in hex, or a text
	Digest     []byte // nil where the member states none
	DigestAlg  string
	Image      bool // an image hash, not a digest of all bytes; not known where TagOnly
	TagOnly    bool // the digest is the tag itself, as in the catalogues of Windows 8 and later
	Attributes []NameValue
}

// NameValue is an attribute that whoever made the catalogue wrote.
type NameValue struct{ Name, Value string }

// Attribute is the value of a name, "" where there is none.
func (m Member) Attribute(name string) string {
	for _, a := range m.Attributes {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// Parse reads a catalogue.
func Parse(b []byte) (*File, error) {
	s, err := pkcs7.Parse(b, 0)
	if err != nil {
		return nil, err
	}
	if s.ContentType != oidTrustList {
		return nil, cursor.Errorf(0, "signed content of type %s, not a catalogue", s.ContentType)
	}
	f := &File{Signers: s.Signers, Damage: s.Damage}
	fields, err := s.Content.Children()
	if err != nil {
		f.Damage = append(f.Damage, err)
	}
	f.readList(fields)
	return f, nil
}

// readList reads CertificateTrustList: usage, identifier, number, times,
// algorithm, members, extensions [0]. The usage is a sequence of object
// identifiers, the algorithm begins with one, the members are sequences.
func (f *File) readList(fields []der.Value) {
	members := false
	for i, v := range fields {
		switch {
		case v.Is(der.OctetString):
			f.ID = hex.EncodeToString(v.Body)
		case v.Is(der.UTCTime) || v.Is(der.GeneralTime):
			if f.Made.IsZero() {
				f.Made = stamp(v)
			}
		case v.Is(der.Sequence) && i > 0 && !v.Inner().Is(der.OID):
			members = true
			f.readMembers(v)
		case v.Context(0):
			for _, e := range v.Inner().Kids() {
				if k := e.Kids(); len(k) > 1 && k[0].OID() == oidNameValue {
					if nv, ok := nameValue(inside(k[len(k)-1])); ok {
						f.Attributes = append(f.Attributes, nv)
					}
				}
			}
		}
	}
	if !members {
		f.Damage = append(f.Damage, cursor.Errorf(0, "a catalogue without a list of members"))
	}
}

// inside reads the value that an octet string holds.
func inside(v der.Value) der.Value {
	in, _, _ := der.Read(v.Octets(), v.Off)
	return in
}

func stamp(v der.Value) time.Time {
	layout := "060102150405Z"
	if v.Is(der.GeneralTime) {
		layout = "20060102150405Z"
	}
	t, _ := time.Parse(layout, string(v.Body))
	return t
}

func (f *File) readMembers(list der.Value) {
	kids, err := list.Children()
	if err != nil {
		f.Damage = append(f.Damage, err)
	}
	for i, k := range kids {
		if i >= MaxMembers {
			f.Damage = append(f.Damage, cursor.Errorf(k.Off, "more than %d members", MaxMembers))
			return
		}
		m, err := readMember(k)
		if err != nil {
			f.Damage = append(f.Damage, err)
			continue
		}
		f.Members = append(f.Members, m)
	}
}

func readMember(v der.Value) (Member, error) {
	k, err := v.Children()
	if err != nil {
		return Member{}, err
	}
	if len(k) < 1 || !k[0].Is(der.OctetString) {
		return Member{}, cursor.Errorf(v.Off, "a member without a tag")
	}
	m := Member{Offset: v.Off, Tag: tag(k[0].Body)}
	switch len(k[0].Body) {
	case 20:
		m.Digest, m.DigestAlg, m.TagOnly = k[0].Body, "SHA1", true
	case 32:
		m.Digest, m.DigestAlg, m.TagOnly = k[0].Body, "SHA256", true
	}
	if len(k) < 2 {
		return m, nil
	}
	attributes, err := k[1].Children()
	for _, a := range attributes {
		p := a.Kids()
		if len(p) < 2 {
			continue
		}
		value := p[1].Inner()
		switch p[0].OID() {
		case oidIndirect:
			if kind, alg, digest, ok := pkcs7.Digest(value); ok {
				m.Image, m.DigestAlg, m.Digest, m.TagOnly = kind == oidImageData, alg, digest, false
			}
		case oidNameValue:
			if nv, ok := nameValue(value); ok {
				m.Attributes = append(m.Attributes, nv)
			}
		case oidMemberInfo: // the GUID of the subject's kind, said by the digest too
		}
	}
	return m, err
}

// tag is UTF-16LE text with its zero in older catalogues, raw bytes in newer.
func tag(b []byte) string {
	if len(b) >= 4 && len(b)%2 == 0 && b[1] == 0 && b[3] == 0 {
		return utf16.CString(b)
	}
	return hex.EncodeToString(b)
}

// nameValue reads CatNameValue: name (BMPString), flags, value (UTF-16LE with
// its zero in an octet string).
func nameValue(v der.Value) (NameValue, bool) {
	k := v.Kids()
	if len(k) < 3 {
		return NameValue{}, false
	}
	return NameValue{Name: k[0].Text(), Value: utf16.CString(k[2].Body)}, true
}
