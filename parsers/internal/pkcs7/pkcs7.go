// Package pkcs7 reads signed data (PKCS #7 1.5, RFC 2315; RFC 5652) as Windows
// writes it: who signed, with which certificate, when by whose word, and the
// signatures nested inside (Microsoft, "Windows Authenticode Portable
// Executable Signature Format", 2008; RFC 3161 for time stamps).
//
// Fields are read value by value, so that a certificate which strict readers
// refuse (negative serial number) is still shown. The mathematics is done by
// go.mozilla.org/pkcs7 v0.10.0: whether the signature over the content is
// intact. Chains, roots and revocation are not checked: the machine that
// examines must not decide them.
package pkcs7

import (
	"bytes"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	mozilla "go.mozilla.org/pkcs7"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/der"
)

// Limits.
const (
	MaxSize         = 64 << 20 // a catalogue with all files of an update
	MaxCertificates = 256
	MaxSigners      = 32
	MaxNested       = 16 // signatures inside signatures, in all
)

// Object identifiers.
const (
	oidSignedData     = "1.2.840.113549.1.7.2"
	oidTSTInfo        = "1.2.840.113549.1.9.16.1.4"
	oidSigningTime    = "1.2.840.113549.1.9.5"
	oidCountersign    = "1.2.840.113549.1.9.6"
	oidOpus           = "1.3.6.1.4.1.311.2.1.12"
	oidNested         = "1.3.6.1.4.1.311.2.4.1"
	oidTimestampToken = "1.3.6.1.4.1.311.3.3.1"
)

// Signed is one signed message.
type Signed struct {
	ContentType  string // object identifier
	Content      der.Value
	Certificates []Certificate
	Signers      []Signer
	Damage       []error
}

// Certificate is what a certificate says of itself.
type Certificate struct {
	Subject, Issuer     Name
	Serial              string // hex, upper case, "-" before a negative one
	NotBefore, NotAfter time.Time
	issuerRaw           []byte
	serialRaw           []byte
}

// Signer is one signer of a message.
type Signer struct {
	Issuer      Name
	Serial      string
	Certificate *Certificate // of the message, nil where it is not in it
	DigestAlg   string
	SigningTime time.Time // as the signer's own clock said, zero where not stated
	Program     string    // description that the signer gave
	URL         string
	Counter     []Countersignature
	Nested      []*Signed
	Intact      Verdict
}

// Countersignature is another's word for the time of signing.
type Countersignature struct {
	Kind   string // "PKCS #9" or "RFC 3161"
	Time   time.Time
	Signer string // subject of its certificate, or its issuer where that is not there
	Serial string
}

// Verdict tells whether the signature over the content is right.
type Verdict string

// The verdicts.
const (
	Intact       Verdict = "intact"
	Broken       Verdict = "broken"
	NotCheckable Verdict = "not checkable"
)

// Parse reads a message. Bytes after it are padding and ignored.
func Parse(b []byte, base int64) (*Signed, error) {
	n := MaxNested
	return parse(b, base, &n)
}

func parse(b []byte, base int64, nested *int) (*Signed, error) {
	if len(b) > MaxSize {
		return nil, cursor.Errorf(base, "signed data of %d bytes, the limit is %d", len(b), MaxSize)
	}
	outer, _, err := der.Read(b, base)
	if err != nil {
		return nil, err
	}
	info := outer.Kids()
	if len(info) < 2 || info[0].OID() != oidSignedData {
		return nil, cursor.Errorf(base, "no signed data")
	}
	parts, err := info[1].Inner().Children()
	if len(parts) < 4 {
		return nil, cursor.Errorf(base, "signed data of %d parts: %v", len(parts), err)
	}
	s := &Signed{}
	if err != nil {
		s.Damage = append(s.Damage, err)
	}
	content := parts[2].Kids()
	if len(content) > 0 {
		s.ContentType = content[0].OID()
	}
	if len(content) > 1 {
		s.Content = content[1].Inner()
	}
	for _, p := range parts[3:] {
		switch {
		case p.Context(0):
			s.readCertificates(p)
		case p.Is(der.Set):
			s.readSigners(p, nested)
		}
	}
	s.verify(info[0], parts, content)
	return s, nil
}

func (s *Signed) readCertificates(set der.Value) {
	kids, err := set.Children()
	if err != nil {
		s.Damage = append(s.Damage, err)
	}
	for i, k := range kids {
		if i >= MaxCertificates {
			s.Damage = append(s.Damage, cursor.Errorf(k.Off, "more than %d certificates", MaxCertificates))
			return
		}
		if c, ok := readCertificate(k); ok {
			s.Certificates = append(s.Certificates, c)
		} else if k.Is(der.Sequence) {
			s.Damage = append(s.Damage, cursor.Errorf(k.Off, "a certificate that makes no sense"))
		}
	}
}

// readCertificate reads the fields that name a certificate (RFC 5280, 4.1).
func readCertificate(v der.Value) (Certificate, bool) {
	f := v.Inner().Kids()
	if len(f) > 0 && f[0].Context(0) {
		f = f[1:] // version
	}
	if len(f) < 5 || !f[0].Is(der.Integer) {
		return Certificate{}, false
	}
	c := Certificate{Serial: serial(f[0].Body), Issuer: readName(f[2]), Subject: readName(f[4]),
		issuerRaw: f[2].Full, serialRaw: f[0].Body}
	if t := f[3].Kids(); len(t) > 1 {
		c.NotBefore, c.NotAfter = clock(t[0]), clock(t[1])
	}
	return c, true
}

// serial prints a serial number as openssl does.
func serial(b []byte) string {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
	}
	h := strings.ToUpper(hex.EncodeToString(new(big.Int).Abs(n).Bytes()))
	if h == "" {
		h = "00"
	}
	return sign + h
}

// clock reads UTCTime and GeneralizedTime; the zero time where it is neither.
func clock(v der.Value) time.Time {
	layouts := []string{"060102150405Z", "060102150405-0700", "0601021504Z"}
	if v.Is(der.GeneralTime) {
		layouts = []string{"20060102150405Z", "20060102150405.999999999Z", "20060102150405-0700", "20060102150405"}
	}
	for _, l := range layouts {
		if t, err := time.Parse(l, string(v.Body)); err == nil {
			if v.Is(der.UTCTime) && t.Year() >= 2050 {
				t = t.AddDate(-100, 0, 0) // RFC 5280, 4.1.2.5.1
			}
			return t.UTC()
		}
	}
	return time.Time{}
}

func (s *Signed) readSigners(set der.Value, nested *int) {
	kids, err := set.Children()
	if err != nil {
		s.Damage = append(s.Damage, err)
	}
	for i, k := range kids {
		if i >= MaxSigners {
			s.Damage = append(s.Damage, cursor.Errorf(k.Off, "more than %d signers", MaxSigners))
			return
		}
		sg, ok := s.readSigner(k, nested)
		if !ok {
			s.Damage = append(s.Damage, cursor.Errorf(k.Off, "a signer that makes no sense"))
			continue
		}
		s.Signers = append(s.Signers, sg)
	}
}

// readSigner reads a SignerInfo: version, issuer and serial number, digest
// algorithm, signed attributes [0], signature algorithm, signature, unsigned
// attributes [1].
func (s *Signed) readSigner(v der.Value, nested *int) (Signer, bool) {
	f := v.Kids()
	if len(f) < 5 {
		return Signer{}, false
	}
	id := f[1].Kids()
	if len(id) < 2 {
		return Signer{}, false
	}
	sg := Signer{Issuer: readName(id[0]), Serial: serial(id[1].Body), DigestAlg: Algorithm(f[2].Inner().OID()), Intact: NotCheckable}
	sg.Certificate = s.find(id[0].Full, id[1].Body)
	for _, part := range f[3:] {
		switch {
		case part.Context(0):
			for _, a := range part.Kids() {
				sg.signedAttribute(a)
			}
		case part.Context(1):
			for _, a := range part.Kids() {
				s.unsignedAttribute(&sg, a, nested)
			}
		}
	}
	return sg, true
}

func (s *Signed) find(issuer, number []byte) *Certificate {
	for i := range s.Certificates {
		if bytes.Equal(s.Certificates[i].issuerRaw, issuer) && bytes.Equal(s.Certificates[i].serialRaw, number) {
			return &s.Certificates[i]
		}
	}
	return nil
}

// attribute gives type and first value.
func attribute(v der.Value) (string, der.Value) {
	k := v.Kids()
	if len(k) < 2 {
		return "", der.Value{}
	}
	return k[0].OID(), k[1].Inner()
}

func (sg *Signer) signedAttribute(v der.Value) {
	switch oid, value := attribute(v); oid {
	case oidSigningTime:
		sg.SigningTime = clock(value)
	case oidOpus: // SpcSpOpusInfo: program name [0], more information [1]
		for _, f := range value.Kids() {
			inner := f.Inner()
			switch {
			case f.Context(0) && inner.Context(0):
				sg.Program = der.BMP(inner.Body)
			case f.Context(0):
				sg.Program = string(inner.Body)
			case f.Context(1):
				sg.URL = string(inner.Body)
			}
		}
	}
}

func (s *Signed) unsignedAttribute(sg *Signer, v der.Value, nested *int) {
	k := v.Kids()
	if len(k) < 2 {
		return
	}
	for _, value := range k[1].Kids() {
		switch k[0].OID() {
		case oidCountersign:
			if c, ok := s.countersigner(value); ok {
				sg.Counter = append(sg.Counter, c)
			}
		case oidTimestampToken, oidNested:
			if *nested--; *nested < 0 {
				s.Damage = append(s.Damage, cursor.Errorf(value.Off, "more than %d signatures inside signatures", MaxNested))
				return
			}
			inner, err := parse(value.Full, value.Off, nested)
			if err != nil {
				s.Damage = append(s.Damage, err)
				continue
			}
			if k[0].OID() == oidNested {
				sg.Nested = append(sg.Nested, inner)
			} else if c, ok := inner.token(); ok {
				sg.Counter = append(sg.Counter, c)
			}
		}
	}
}

// countersigner reads a PKCS #9 countersignature, a SignerInfo of its own
// whose certificate stands with the others.
func (s *Signed) countersigner(v der.Value) (Countersignature, bool) {
	none := 0
	sg, ok := s.readSigner(v, &none)
	if !ok {
		return Countersignature{}, false
	}
	return Countersignature{Kind: "PKCS #9", Time: sg.SigningTime, Signer: sg.Name(), Serial: sg.Serial}, true
}

// token reads the time of an RFC 3161 token (TSTInfo.genTime).
func (s *Signed) token() (Countersignature, bool) {
	if s.ContentType != oidTSTInfo || len(s.Signers) == 0 {
		return Countersignature{}, false
	}
	c := Countersignature{Kind: "RFC 3161", Signer: s.Signers[0].Name(), Serial: s.Signers[0].Serial}
	info, _, err := der.Read(s.Content.Octets(), s.Content.Off)
	if err != nil {
		return c, true
	}
	for _, f := range info.Kids() {
		if f.Is(der.GeneralTime) {
			c.Time = clock(f)
		}
	}
	return c, true
}

// Name is the subject of the signer's certificate, or the issuer with the
// number where the message does not hold it.
func (sg *Signer) Name() string {
	if sg.Certificate != nil {
		return sg.Certificate.Subject.String()
	}
	return fmt.Sprintf("certificate %s of %s", sg.Serial, sg.Issuer)
}

// verify asks the library whether the signatures over the content are right.
// It reads certificates strictly, recurses, and makes an object of every
// value; so it is given the message without its content (as if detached), when
// depth and number of values are within bounds. A panic costs only this answer.
func (s *Signed) verify(oid der.Value, parts, content []der.Value) {
	set := func(v Verdict) {
		for i := range s.Signers {
			s.Signers[i].Intact = v
		}
	}
	defer func() {
		if recover() != nil {
			set(NotCheckable)
		}
	}()
	if len(content) < 2 || len(s.Signers) == 0 {
		return
	}
	inner := [][]byte{parts[0].Full, parts[1].Full, der.Encode(0x30, content[0].Full)}
	for _, p := range parts[3:] {
		inner = append(inner, p.Full)
	}
	detached := der.Encode(0x30, oid.Full, der.Encode(0xa0, der.Encode(0x30, inner...)))
	if der.Check(detached) != nil {
		return
	}
	p, err := mozilla.Parse(detached)
	if err != nil {
		return
	}
	// What is signed is the value without its tag and length (RFC 2315, 9.3).
	if p.Content = s.Content.Body; s.Content.Is(der.OctetString) {
		p.Content = s.Content.Octets()
	}
	var differs *mozilla.MessageDigestMismatchError
	switch err := p.VerifyWithChainAtTime(nil, time.Time{}); {
	case err == nil:
		set(Intact)
	case errors.As(err, &differs), errors.Is(err, rsa.ErrVerification):
		set(Broken)
	}
}

// Algorithm names a digest algorithm; unknown ones stay object identifiers.
func Algorithm(oid string) string {
	switch oid {
	case "1.2.840.113549.2.5":
		return "MD5"
	case "1.3.14.3.2.26":
		return "SHA1"
	case "2.16.840.1.101.3.4.2.1":
		return "SHA256"
	case "2.16.840.1.101.3.4.2.2":
		return "SHA384"
	case "2.16.840.1.101.3.4.2.3":
		return "SHA512"
	}
	return oid
}

// Digest reads SpcIndirectDataContent: what is signed (object identifier), the
// algorithm and the digest.
func Digest(v der.Value) (kind, alg string, digest []byte, ok bool) {
	f := v.Kids()
	if len(f) < 2 {
		return "", "", nil, false
	}
	d := f[1].Kids()
	if len(d) < 2 || !d[1].Is(der.OctetString) {
		return "", "", nil, false
	}
	return f[0].Inner().OID(), Algorithm(d[0].Inner().OID()), d[1].Body, true
}
