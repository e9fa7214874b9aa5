package program

import (
	"crypto/md5" // signatures of the nineties use it
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/authenticode"
	"kanshiki/parsers/pe"
)

// signatures reads every certificate of the table.
func (w *Facts) signatures(f *pe.File) {
	if _, size, _ := f.CertificateTable(); size == 0 {
		return
	}
	w.Signature = &Signature{Signers: []Signer{}}
	for _, c := range f.Certificates {
		if c.Type != pe.CertificatePKCS7 {
			w.Problems = append(w.Problems, Problem{Offset: c.Offset, Length: int64(len(c.Data)), Kind: problem.Unsupported,
				Severity: problem.Doubt, Found: fmt.Sprintf("certificate of type %d, revision %#x", c.Type, c.Revision)})
			continue
		}
		sigs, err := authenticode.Parse(c.Data, c.Offset+8)
		if err != nil {
			w.trouble(err, problem.Malformed, problem.Doubt)
		}
		for _, s := range sigs {
			w.signature(s)
		}
	}
	if !w.Signature.Present {
		w.say("signature-unreadable", fmt.Sprintf("%d certificates in the table", len(f.Certificates)))
	}
}

func (w *Facts) signature(s authenticode.Signature) {
	g := w.Signature
	one := OneOfAll{Nested: s.Nested, DigestAlg: escape.Text(s.DigestAlg), DigestStored: hex.EncodeToString(s.Digest), PageHash: s.PageHash}
	if !g.Present {
		g.Present, g.DigestAlg, g.DigestStored = true, one.DigestAlg, one.DigestStored
	}
	g.Signatures = append(g.Signatures, one)
	for i := range s.Signers {
		sg := signer(&s.Signers[i], s.Nested)
		g.Signers = append(g.Signers, sg)
		w.signerFacts(sg, &s.Signers[i])
	}
	if s.Nested {
		w.say("signature-nested", one.DigestAlg)
	}
	if s.PageHash != "" {
		w.say("page-hashes", s.PageHash)
	}
	for _, d := range s.Damage {
		w.trouble(d, problem.Malformed, problem.Doubt)
	}
}

func rfc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func signer(s *authenticode.Signer, nested bool) Signer {
	out := Signer{Subject: escape.Text(s.Name()), Name: escape.Text(s.Name()), Issuer: escape.Text(s.Issuer.String()), Serial: s.Serial,
		DigestAlg: escape.Text(s.DigestAlg), SigningTime: rfc(s.SigningTime), Program: escape.Text(s.Program), URL: escape.Text(s.URL),
		SignatureIntact: string(s.Intact), Nested: nested}
	if c := s.Certificate; c != nil {
		out.Name = escape.Text(c.Subject.Common())
		out.NotBefore, out.NotAfter = rfc(c.NotBefore), rfc(c.NotAfter)
	}
	for _, c := range s.Counter {
		out.Countersigned = append(out.Countersigned, Countersignature{rfc(c.Time), escape.Text(c.Signer), c.Serial, c.Kind})
	}
	return out
}

// signerFacts holds the times of signing against the certificate's validity;
// the clock of the examining machine has no say.
func (w *Facts) signerFacts(sg Signer, s *authenticode.Signer) {
	at := s.SigningTime
	for _, c := range s.Counter {
		at = c.Time
		w.say("signed-at", rfc(c.Time)+" by the word of "+escape.Text(c.Signer))
	}
	if len(s.Counter) == 0 {
		w.say("no-countersignature", sg.Name)
	}
	if c := s.Certificate; c != nil && !at.IsZero() && (at.Before(c.NotBefore) || at.After(c.NotAfter)) {
		w.say("outside-validity", fmt.Sprintf("%s, valid from %s to %s", rfc(at), rfc(c.NotBefore), rfc(c.NotAfter)))
	}
	if s.Intact == authenticode.Broken {
		w.say("signature-broken", sg.Name)
	}
}

// hasher gives the hash of an algorithm, nil where it is none we know.
func hasher(alg string) hash.Hash {
	switch alg {
	case "MD5":
		return md5.New()
	case "SHA1":
		return sha1.New()
	case "SHA256":
		return sha256.New()
	case "SHA384":
		return sha512.New384()
	case "SHA512":
		return sha512.New()
	}
	return nil
}

// imageHashes computes the hashes that signatures and catalogues may hold, in
// one pass over the file.
func imageHashes(r io.ReaderAt, extents []pe.Extent, pad int64, algs []string) (plain, padded map[string]string, err error) {
	var writers []io.Writer
	hashes := map[string]hash.Hash{}
	for _, a := range algs {
		if h := hasher(a); h != nil && hashes[a] == nil {
			hashes[a] = h
			writers = append(writers, h)
		}
	}
	all := io.MultiWriter(writers...)
	for _, e := range extents {
		n, err := io.Copy(all, io.NewSectionReader(r, e.Off, e.Len))
		if err == nil && n < e.Len {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, nil, err
		}
	}
	plain, padded = map[string]string{}, map[string]string{}
	for a, h := range hashes {
		plain[a] = hex.EncodeToString(h.Sum(nil))
	}
	if pad > 0 {
		_, _ = all.Write(make([]byte, pad))
	}
	for a, h := range hashes {
		padded[a] = hex.EncodeToString(h.Sum(nil))
	}
	return plain, padded, nil
}

// compare fills in what was calculated.
func (g *Signature) compare(sums map[string]string) {
	for i := range g.Signatures {
		one := &g.Signatures[i]
		if sum := sums[one.DigestAlg]; sum != "" {
			match := sum == one.DigestStored
			one.DigestCalculated, one.DigestMatch = sum, &match
		}
		if i == 0 {
			g.DigestCalculated, g.DigestMatch = one.DigestCalculated, one.DigestMatch
		}
	}
}

// judge gives the state of the signature: first by the file itself, then by
// the catalogues of the machine it lay on.
func (w *Facts) judge(catalogues *Catalogues, sums []string) {
	w.State, w.StateBy = w.embedded()
	switch {
	case w.StateBy == "embedded" && w.State == Agrees:
		w.say("signature-digest", w.Signature.DigestAlg+" "+w.Signature.DigestStored)
		return
	case w.State == Differs && w.Signature.DigestCalculated != "":
		w.say("digest-differs", "stored "+w.Signature.DigestStored+", calculated "+w.Signature.DigestCalculated)
	}
	if catalogues == nil {
		return
	}
	if hit, ok := catalogues.find(sums); ok {
		w.State, w.StateBy, w.Catalogue, w.CatalogueSigner = Agrees, "catalogue", hit.path, hit.signers
		w.say("catalogue", hit.path+", signed by "+strings.Join(hit.signers, "; "))
		return
	}
	if w.Signature == nil && catalogues.Complete() {
		w.State, w.StateBy = Unsigned, ""
		w.say("surely-unsigned", fmt.Sprintf("no signature in the file, and its digest in none of %d catalogues", catalogues.Len()))
	}
}

// embedded is the state by the file alone. A broken signature over a digest
// that fits is no signature of it.
func (w *Facts) embedded() (State, string) {
	g := w.Signature
	if g == nil || !g.Present || len(g.Signers) == 0 {
		return Unknown, ""
	}
	for _, s := range g.Signers {
		if s.SignatureIntact == string(authenticode.Broken) {
			return Differs, "embedded"
		}
	}
	state := Unknown
	for _, one := range g.Signatures {
		switch {
		case one.DigestMatch == nil:
		case !*one.DigestMatch:
			return Differs, "embedded"
		default:
			state = Agrees
		}
	}
	return state, "embedded"
}
