package fve

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/utf16"
)

// ErrWrongKey says that a key opens no protector of the volume.
var ErrWrongKey = errors.New("the key does not open this volume")

// ErrLocked says that the content needs a key.
var ErrLocked = errors.New("the volume is locked, a key is needed")

// Key opens a volume.
type Key struct {
	kind   Kind
	secret [32]byte  // before it is stretched, or the key itself
	id     guid.GUID // of the protector that a startup key is for
	volume []byte    // the volume key itself
}

// Password is a key from a password, in WTF-8.
func Password(s string) Key {
	k := Key{kind: PasswordKind}
	h := sha256.Sum256(utf16.Units(s))
	k.secret = sha256.Sum256(h[:])
	return k
}

// Recovery is a key from a recovery password: eight groups of six digits, each
// divisible by eleven. The error names the group that is mistyped.
func Recovery(s string) (Key, error) {
	k := Key{kind: RecoveryPassword}
	groups := strings.FieldsFunc(s, func(r rune) bool { return r == '-' || r == ' ' })
	if len(groups) != 8 {
		return k, fmt.Errorf("recovery password: %d groups, want 8 of six digits", len(groups))
	}
	var b [16]byte
	for i, g := range groups {
		n, err := strconv.ParseUint(g, 10, 32)
		if err != nil || len(g) != 6 || n%11 != 0 || n/11 > 0xFFFF {
			return k, fmt.Errorf("recovery password: group %d (%q) is mistyped", i+1, g)
		}
		binary.LittleEndian.PutUint16(b[2*i:], uint16(n/11))
	}
	k.secret = sha256.Sum256(b[:])
	return k, nil
}

// Startup is a key from the bytes of a startup key file (.BEK).
func Startup(b []byte) (Key, error) {
	k := Key{kind: StartupKey}
	c := cursor.New(b)
	total, _, head := int(c.U32("size")), c.U32("version"), int(c.U32("header size"))
	if c.Err() != nil || head < headerSize || total < head || total > len(b) {
		return k, cursor.Errorf(0, "no startup key: %d bytes, says %d", len(b), total)
	}
	list, err := entries(b[head:total], int64(head))
	if err != nil {
		return k, err
	}
	for _, e := range list {
		if e.value != valueExternal || len(e.data) < 24 {
			continue
		}
		k.id = guid.From(e.data)
		parts, err := entries(e.data[24:], e.off+24)
		if err != nil {
			return k, err
		}
		for _, p := range parts {
			if key, ok := keyOf(p); ok && len(key) == len(k.secret) {
				copy(k.secret[:], key)
				return k, nil
			}
		}
	}
	return k, cursor.Errorf(int64(head), "no external key in the startup key")
}

// VolumeKey is the key that encrypts the sectors (FVEK), with that of the
// diffuser behind it where the method has one.
func VolumeKey(b []byte) Key { return Key{volume: append([]byte(nil), b...)} }

// keyOf is the key in a value of type 1: method, then the key.
func keyOf(e entry) ([]byte, bool) {
	if e.value != valueKey || len(e.data) < 4 {
		return nil, false
	}
	return e.data[4:], true
}

// stretchRounds is how often a password is hashed.
const stretchRounds = 1 << 20

// stretch makes a password slow to try.
func stretch(secret [32]byte, salt []byte) []byte {
	var b [88]byte // last hash, first hash, salt, count
	copy(b[32:], secret[:])
	copy(b[64:80], salt)
	for i := range uint64(stretchRounds) {
		binary.LittleEndian.PutUint64(b[80:], i)
		h := sha256.Sum256(b[:])
		copy(b[:32], h[:])
	}
	return b[:32]
}

// Unlock tries a key on each protector that it can be for. A clear key in the
// metadata needs none: UnlockClear takes it.
func (v *Volume) Unlock(k Key) error {
	if k.volume != nil {
		return v.setKey(k.volume)
	}
	tried := false
	var first error
	for i, p := range v.Protectors {
		if p.Kind != k.kind || k.kind == StartupKey && p.ID != k.id {
			continue
		}
		tried = true
		if err := v.try(v.protectors[i], k); err == nil {
			return nil
		} else if first == nil && !errors.Is(err, errTag) {
			first = err
		}
	}
	switch {
	case first != nil:
		return first
	case !tried:
		return fmt.Errorf("%w: it has no protector of the kind %q that this key is for", ErrWrongKey, k.kind)
	}
	return ErrWrongKey
}

// UnlockClear opens a volume whose protection is suspended: its key stands in
// the metadata. False where there is none.
func (v *Volume) UnlockClear() (bool, error) {
	for i, p := range v.Protectors {
		if p.Kind == ClearKey {
			return true, v.try(v.protectors[i], Key{kind: ClearKey})
		}
	}
	return false, nil
}

// try opens the master key of one protector and with it the volume key.
func (v *Volume) try(parts []entry, k Key) error {
	var key, sealed []byte
	if k.kind == StartupKey {
		key = k.secret[:]
	}
	for _, e := range parts {
		switch {
		case e.value == valueStretch && len(e.data) >= 20 && k.kind != StartupKey:
			key = stretch(k.secret, e.data[4:20])
		case e.value == valueKey && k.kind == ClearKey:
			key, _ = keyOf(e)
		case e.value == valueCCM:
			sealed = e.data
		}
	}
	if len(key) != 32 || sealed == nil {
		return fmt.Errorf("%w: the protector has not all its parts", ErrWrongKey)
	}
	master, err := openKey(key, sealed)
	if err != nil {
		return err
	}
	for _, e := range v.entries {
		if e.kind != entryFVEK || e.value != valueCCM {
			continue
		}
		volume, err := openKey(master, e.data)
		if err != nil {
			return &Problem{Off: e.off, What: "the master key is right, the volume key cannot be opened with it", Err: err}
		}
		return v.setKey(volume)
	}
	return &Problem{Off: v.Used, What: "the metadata have no volume key"}
}

// openKey decrypts a key that another one seals: an entry of type "key" stands
// in the plain text.
func openKey(key, sealed []byte) ([]byte, error) {
	b, err := openCCM(key, sealed)
	if err != nil {
		return nil, err
	}
	c := cursor.New(b)
	n := int(c.U16("size"))
	c.Skip(10, "types and method")
	out := c.Take(min(n, len(b))-12, "key")
	if c.Err() != nil {
		return nil, c.Err()
	}
	return out, nil
}
