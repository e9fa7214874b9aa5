package volume

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/fve"
	"kanshiki/parsers/volumeboot"
	"kanshiki/parsers/vss"
)

// ErrLocked says that a volume is encrypted and no key that was given opens it.
var ErrLocked = errors.New("encrypted")

// Key opens an encrypted volume.
type Key struct{ key fve.Key }

// ParseKey reads a key as an examiner writes it: password:TEXT, recovery:DIGITS,
// startup:FILE.BEK, volume:HEX. readFile reads the file of a startup key.
func ParseKey(s string, readFile func(name string) ([]byte, error)) (Key, error) {
	kind, value, _ := strings.Cut(s, ":")
	var k Key
	var err error
	switch kind {
	case "password":
		k.key = fve.Password(value)
	case "recovery":
		k.key, err = fve.Recovery(value)
	case "startup":
		var b []byte
		if b, err = readFile(value); err == nil {
			k.key, err = fve.Startup(b)
		}
	case "volume":
		var b []byte
		if b, err = hex.DecodeString(value); err == nil {
			k.key = fve.VolumeKey(b)
		}
	default:
		err = fmt.Errorf("a key begins with password:, recovery:, startup: or volume: and ends with its value")
	}
	return k, err
}

// Content is what the file system of a volume is read from.
type Content struct {
	R    io.ReaderAt
	Size int64
	Kind Kind // of the file system, behind the encryption where there is one
	// Base is the byte of the image at which R begins; where R is decrypted it
	// is -1, since its bytes have no place in the image that shows them.
	Base     int64
	Detail   string // of the encryption
	Problems []problem.Problem
}

// Open gives the content of a volume. One that is encrypted is opened with the
// keys, or without one where its protection is suspended; else the error is
// ErrLocked with what the volume says of itself.
func Open(img Image, v Volume, exhibit string, keys []Key) (Content, error) {
	r := io.NewSectionReader(img, v.Off, v.Len)
	c := Content{R: r, Size: v.Len, Kind: v.Kind, Base: v.Off}
	if v.Kind != BitLocker && v.Kind != BitLockerToGo {
		return c, nil
	}
	n := min(v.Len, img.Size()-v.Off)
	f, err := fve.Open(r, n)
	if err != nil {
		return c, fmt.Errorf("%s: %w", v.Kind, err)
	}
	c.Detail = describe(f)
	for _, p := range f.Problems() {
		x := problem.From(locator.Locator{Exhibit: exhibit, Volume: v.Number, Offset: p.Off}, problem.Malformed, problem.Doubt, &p)
		x.Source = string(v.Kind)
		c.Problems = append(c.Problems, x)
	}
	if err := unlock(f, keys); err != nil {
		return c, fmt.Errorf("%w: %s; %w", ErrLocked, c.Detail, err)
	}
	d, err := f.Reader()
	if err != nil {
		return c, err
	}
	c.R, c.Size, c.Base = d, d.Size(), -1
	c.Kind = kinds[volumeboot.Recognise(d, d.Size()).Kind]
	return c, nil
}

func unlock(f *fve.Volume, keys []Key) error {
	if f.State == fve.Decrypted {
		return nil
	}
	if ok, err := f.UnlockClear(); ok && err == nil {
		return nil
	}
	var last error = fve.ErrLocked
	for _, k := range keys {
		if last = f.Unlock(k.key); last == nil {
			return nil
		}
	}
	return last
}

// describe says what a volume is encrypted with, and what opens it.
func describe(f *fve.Volume) string {
	var by []string
	for _, p := range f.Protectors {
		by = append(by, p.Kind.String()+" {"+p.ID.String()+"}")
	}
	s := fmt.Sprintf("%s, %s, protected by %s", f.Method, f.State, strings.Join(by, ", "))
	if len(by) == 0 {
		s = fmt.Sprintf("%s, %s, no protector", f.Method, f.State)
	}
	if f.Description != "" {
		s = f.Description + ": " + s
	}
	if f.EOW {
		s += ", encrypts on write"
	}
	return s
}

// Snapshots opens the shadow copies of a volume. others are the other volumes
// at hand, one of which may hold the stores; search looks for those that the
// catalogue has lost. The volume is nil where there is no shadow copy.
func Snapshots(c Content, others []Content, search bool) (*vss.Volume, error) {
	opt := vss.Options{Search: search}
	for _, o := range others {
		opt.Others = append(opt.Others, vss.Origin{R: o.R, Size: o.Size})
	}
	v, err := vss.Open(c.R, c.Size, opt)
	if errors.Is(err, vss.ErrNone) {
		return nil, nil
	}
	return v, err
}
