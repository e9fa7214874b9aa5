package aff4

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"kanshiki/parsers/container"
)

// algorithms are the hashes that are computed.
var algorithms = map[string]struct {
	size int
	new  func() hash.Hash
	sum  func([]byte) []byte
}{
	"md5":    {md5.Size, md5.New, func(b []byte) []byte { s := md5.Sum(b); return s[:] }},
	"sha1":   {sha1.Size, sha1.New, func(b []byte) []byte { s := sha1.Sum(b); return s[:] }},
	"sha256": {sha256.Size, sha256.New, func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }},
	"sha512": {sha512.Size, sha512.New, func(b []byte) []byte { s := sha512.Sum512(b); return s[:] }},
}

// compared is the order in which block hashes are chosen: the quick ones first.
var compared = []string{"sha256", "sha1", "sha512", "md5"}

// algorithm is that of a literal's type, "" where it is none of linear hashes.
func algorithm(kind string) string {
	switch name := strings.ToLower(strings.TrimPrefix(kind, schema)); name {
	case "md5", "sha1", "sha256", "sha512", "blake2b":
		return name
	}
	return ""
}

// stated are the digests of a property, by algorithm.
func (g graph) stated(subject, property string) (out []container.Digest) {
	for _, o := range g[subject][schema+property] {
		if alg := algorithm(o.kind); alg != "" {
			out = append(out, container.Digest{Alg: alg, Sum: strings.ToLower(o.value), Source: "information.turtle"})
		}
	}
	return out
}

// hashed gives a segment's content to the hash that a property states of it,
// and compares.
func (v *volume) hashed(subject, property string, s segment, r io.Reader) (io.Reader, func() error) {
	for _, d := range v.g.stated(subject, property) {
		a, ok := algorithms[d.Alg]
		if !ok {
			continue
		}
		h := a.new()
		return io.TeeReader(r, h), func() error {
			if sum := hex.EncodeToString(h.Sum(nil)); sum != d.Sum {
				return fmt.Errorf("%s (%s) of %s: stated %s, calculated %s", property, d.Alg, subject, d.Sum, sum)
			}
			return nil
		}
	}
	return r, func() error { return nil }
}

// Checked tells whether each chunk is compared with a hash when it is decoded.
func (r *Reader) Checked() bool {
	for _, s := range r.streams {
		if len(s.hashes) == 0 || len((*s.b)[s.hashes[0]]) < len((*s.b)[""]) {
			return false
		}
	}
	return true
}

// Check compares what reading the medium does not need: the hash of all block
// hashes of a stream, the one that holds map and block hashes together
// (aff4:blockMapHash), and the CRC-32 of the bevies of streams that have no
// block hashes. What differs is a problem.
func (r *Reader) Check() {
	for _, v := range r.volumes {
		if m := r.maps[v]; m != "" {
			r.checkMap(v, m)
		}
	}
	for _, s := range r.streams {
		if len(s.hashes) == 0 {
			r.checkBevies(s)
		}
	}
}

// checkMap follows the standard, 6.2: H(H(block hashes) of each algorithm, the
// shortest first, || mapPointHash || mapIdxHash || [mapPathHash]).
func (r *Reader) checkMap(v *volume, name string) {
	if p, ok := v.find(name, "mapPath"); ok && p.size <= maxPath {
		rd, err := v.a.reader(p)
		if err == nil {
			rd, same := v.hashed(name, "mapPathHash", p, rd)
			if _, err = io.Copy(io.Discard, rd); err == nil {
				err = same()
			}
		}
		if err != nil {
			r.report(v, p, "mapPath", err)
		}
	}
	for _, s := range r.streams {
		if s.v == v {
			r.checkBlocks(s, name)
		}
	}
}

func (r *Reader) checkBlocks(s *stream, mapName string) {
	g := s.v.g
	var of []byte // the digests that blockMapHash is of
	for _, alg := range []string{"md5", "sha1", "sha256", "sha512", "blake2b"} {
		for _, d := range g.stated(s.name+"/blockhash."+alg, "hash") {
			b, err := hex.DecodeString(d.Sum)
			if err == nil {
				err = s.checkConcatenation(alg, d)
			}
			if err != nil {
				r.report(s.v, segment{}, "block hashes of "+s.name, err)
			}
			of = append(of, b...)
		}
	}
	for _, p := range []string{"mapPointHash", "mapIdxHash", "mapPathHash"} {
		for _, d := range g.stated(mapName, p) {
			b, _ := hex.DecodeString(d.Sum)
			of = append(of, b...)
		}
	}
	for _, d := range g.stated(mapName, "blockMapHash") {
		if a, ok := algorithms[d.Alg]; ok && len(of) > 0 && hex.EncodeToString(a.sum(of)) != d.Sum {
			r.report(s.v, segment{}, "blockMapHash of "+mapName, errors.New("not that of the block hashes and the map"))
		}
	}
}

// checkConcatenation compares the hash of a stream's block hashes, one bevy
// after the other.
func (s *stream) checkConcatenation(alg string, d container.Digest) error {
	a, ok := algorithms[d.Alg]
	if !ok {
		return nil
	}
	h := a.new()
	for _, x := range (*s.b)[alg] {
		rd, err := s.v.a.reader(x.segment)
		if err == nil {
			_, err = io.Copy(h, rd)
		}
		if err != nil {
			return err
		}
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != d.Sum {
		return fmt.Errorf("%s of the %s: stated %s, calculated %s", d.Alg, alg, d.Sum, sum)
	}
	return nil
}

func (r *Reader) checkBevies(s *stream) {
	for _, x := range (*s.b)[""] {
		rd, err := s.v.a.reader(x.segment)
		if err == nil {
			_, err = io.Copy(io.Discard, rd)
		}
		if err != nil {
			first := int64(x.n) * s.perBevy
			r.report(s.v, x.segment, fmt.Sprintf("bevy %d of %s (chunks %d to %d)", x.n, s.name, first, first+s.perBevy-1), err)
		}
	}
}

func (r *Reader) report(v *volume, s segment, what string, err error) {
	r.Report(container.Problem{File: v.a.f.Name, Off: s.header, What: what + ": " + err.Error()})
}

// linear are the digests of the whole medium: the image's own and its map's, and
// its stream's where no map lies between. Those of an algorithm that is not
// computed are fields.
func (r *Reader) linear(data string) (digests []container.Digest, fields []container.Field) {
	v := r.volumes[0]
	all := append(v.g.stated(r.image, "hash"), v.g.stated(data, "hash")...)
	for _, d := range all {
		if _, ok := algorithms[d.Alg]; !ok {
			fields = append(fields, container.Field{Name: d.Alg + " of the medium (not compared)", Value: d.Sum})
		} else if !slices.Contains(digests, d) {
			digests = append(digests, d)
		}
	}
	return digests, fields
}
