package fve

import (
	"bytes"
	"errors"
	"io"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
)

// ErrNotBitLocker says that a volume is not one of BitLocker's.
var ErrNotBitLocker = errors.New("no BitLocker volume")

const signature = "-FVE-FS-"

// The recognition structures of a boot sector begin with one of these; behind
// it stand the places of the metadata.
var (
	guidInfo = [16]byte{0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01}
	guidEOW  = [16]byte{0x3b, 0x4d, 0xa8, 0x92, 0x80, 0xdd, 0x0e, 0x4d, 0x9e, 0x4e, 0xb1, 0xe3, 0x28, 0x4e, 0xae, 0xd8}
)

// boot is what the boot sector says.
type boot struct {
	sector, cluster int64
	metadata        [3]int64
	eow             [2]int64
	toGo, vista     bool
}

// Recognise tells whether a boot sector is one of BitLocker's, To Go too.
func Recognise(b []byte) bool {
	_, err := parseBoot(b)
	return err == nil
}

// parseBoot looks for the structures by their identifiers, as Windows does: on
// sticks they lie in the boot sector of a small FAT volume that is shown.
func parseBoot(b []byte) (boot, error) {
	var o boot
	if len(b) < 512 {
		return o, ErrNotBitLocker
	}
	b = b[:512]
	c := cursor.New(b)
	c.Skip(3, "jump")
	oem := string(c.Take(8, "OEM id"))
	o.sector = int64(c.U16("bytes per sector"))
	o.cluster = o.sector * int64(c.U8("sectors per cluster"))
	if o.sector < 512 || o.sector > 4096 || o.sector&(o.sector-1) != 0 {
		return o, ErrNotBitLocker
	}
	at, eow := bytes.Index(b, guidInfo[:]), bytes.Index(b, guidEOW[:])
	switch {
	case eow >= 0 && eow+56 <= len(b):
		c.Seek(eow+16, "places")
		o.places(c)
		o.eow = [2]int64{int64(c.U64("information") & (1<<63 - 1)), int64(c.U64("information") & (1<<63 - 1))}
	case at >= 0 && at+40 <= len(b):
		c.Seek(at+16, "places")
		o.places(c)
	case oem == signature:
		// Vista puts the cluster of the metadata in place of that of $MFTMirr.
		o.vista = true
		c.Seek(0x38, "cluster of the metadata")
		n := c.U64("cluster of the metadata")
		if o.cluster == 0 || n > 1<<40 {
			return o, cursor.Errorf(0x38, "cluster of the metadata: %d", n)
		}
		o.metadata[0] = int64(n) * o.cluster
	default:
		return o, ErrNotBitLocker
	}
	o.toGo = oem != signature
	return o, c.Err()
}

func (o *boot) places(c *cursor.Cursor) {
	for i := range o.metadata {
		o.metadata[i] = int64(c.U64("metadata") & (1<<63 - 1))
	}
}

// Problem is something that could not be read, with its place on the volume.
type Problem struct {
	Off  int64
	What string
	Err  error // the cause, if any
}

func (p *Problem) Error() string {
	if p.Err != nil {
		return p.What + ": " + p.Err.Error()
	}
	return p.What
}

// Offset is the place on the volume.
func (p *Problem) Offset() int64 { return p.Off }

func (p *Problem) Unwrap() error { return p.Err }

// State of a volume.
type State uint16

// States that Windows writes.
const (
	Decrypted      State = 1
	SwitchingDirty State = 2
	Paused         State = 3
	Encrypted      State = 4
	Switching      State = 5
)

var stateNames = map[State]string{Decrypted: "decrypted", SwitchingDirty: "being converted, cut off in a block", Paused: "conversion paused",
	Encrypted: "encrypted", Switching: "being converted"}

func (s State) String() string {
	if n, ok := stateNames[s]; ok {
		return n
	}
	return "state " + number(uint64(s))
}

// Method is how sectors are encrypted.
type Method uint16

// The methods.
const (
	CBC128Diffuser Method = 0x8000
	CBC256Diffuser Method = 0x8001
	CBC128         Method = 0x8002
	CBC256         Method = 0x8003
	XTS128         Method = 0x8004
	XTS256         Method = 0x8005
)

var methodNames = map[Method]string{CBC128Diffuser: "AES-CBC 128-bit with diffuser", CBC256Diffuser: "AES-CBC 256-bit with diffuser",
	CBC128: "AES-CBC 128-bit", CBC256: "AES-CBC 256-bit", XTS128: "AES-XTS 128-bit", XTS256: "AES-XTS 256-bit", 0: "none"}

func (m Method) String() string {
	if n, ok := methodNames[m]; ok {
		return n
	}
	return "method " + number(uint64(m))
}

// Kind is what a protector needs.
type Kind uint16

// The kinds of protector.
const (
	ClearKey         Kind = 0x0000
	TPM              Kind = 0x0100
	StartupKey       Kind = 0x0200
	TPMPIN           Kind = 0x0500
	RecoveryPassword Kind = 0x0800
	PasswordKind     Kind = 0x2000
)

var kindNames = map[Kind]string{ClearKey: "clear key", TPM: "TPM", StartupKey: "startup key", TPMPIN: "TPM and PIN",
	0x0300: "TPM and startup key", 0x0700: "TPM, PIN and startup key", RecoveryPassword: "recovery password", PasswordKind: "password"}

func (k Kind) String() string {
	if n, ok := kindNames[k]; ok {
		return n
	}
	return "protector " + number(uint64(k))
}

func number(v uint64) string {
	const digits = "0123456789abcdef"
	out := []byte("0x")
	for i := 12; i >= 0; i -= 4 {
		out = append(out, digits[v>>i&15])
	}
	return string(out)
}

// Protector is one way to the key of the volume.
type Protector struct {
	ID      guid.GUID
	Kind    Kind
	Changed uint64 // FILETIME
	Name    string // WTF-8, as the user may have given it
}

// Info is what a volume says of itself without a key.
type Info struct {
	Version     uint16 // of the metadata: 1 Vista, 2 Windows 7 and later
	ToGo        bool
	EOW         bool // encrypts on write, as Windows 10 does for new volumes
	State, Next State
	Method      Method
	ID          guid.GUID
	Created     uint64 // FILETIME
	Description string // WTF-8: computer, volume, date
	Protectors  []Protector
	Size        int64 // of the volume that it was
	Converted   int64 // bytes from the beginning that are encrypted; Size where all is, or where EOW counts
	SectorSize  int64
	Metadata    []int64 // places of the copies
	Used        int64   // the copy that was read
}

func readFull(r io.ReaderAt, size int64, p []byte, off int64) error {
	if off < 0 || off > size-int64(len(p)) {
		return io.ErrUnexpectedEOF
	}
	n, err := r.ReadAt(p, off)
	if n == len(p) && (err == nil || err == io.EOF) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
