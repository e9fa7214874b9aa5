// Package cursor decodes fixed layouts from hostile bytes.
//
// A Cursor is sticky: after the first read that does not fit, every further
// read returns zero and Err tells where it happened and what was wanted. No
// read allocates or copies. Integers are little-endian unless the method says
// BE.
package cursor

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Error says where in a source a layout did not fit, and what was expected.
type Error struct {
	Off  int64  // offset in the source, from the base given to At
	What string // what was wanted and what was there
	Err  error  // the cause, where there is one to test for
}

func (e *Error) Error() string { return fmt.Sprintf("offset %#x: %s", e.Off, e.What) }

// Offset is the place of the damage; callers above the parsers find it through
// an interface, since this package is internal to them.
func (e *Error) Offset() int64 { return e.Off }

// Unwrap is the cause that Errorf was given with %w, or nil.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes a located error for a structure that fits but makes no sense.
func Errorf(off int64, format string, args ...any) error {
	e := fmt.Errorf(format, args...)
	return &Error{Off: off, What: e.Error(), Err: errors.Unwrap(e)}
}

// AddBase moves a located error by the offset of its buffer in the source.
// Any other error is returned as it is.
func AddBase(err error, base int64) error {
	var e *Error
	if base != 0 && errors.As(err, &e) {
		return &Error{Off: e.Off + base, What: e.What, Err: e.Err}
	}
	return err
}

// Cursor reads forward through a byte slice. The zero value reads nothing.
type Cursor struct {
	b    []byte
	off  int
	base int64
	err  error
}

// New reads b, whose first byte lies at offset 0 of its source.
func New(b []byte) *Cursor { return &Cursor{b: b} }

// At reads b, whose first byte lies at offset base of its source.
func At(b []byte, base int64) *Cursor { return &Cursor{b: b, base: base} }

// Err is the first thing that did not fit, or nil.
func (c *Cursor) Err() error { return c.err }

// Off is the position in the slice, not in the source.
func (c *Cursor) Off() int { return c.off }

// Pos is the position in the source.
func (c *Cursor) Pos() int64 { return c.base + int64(c.off) }

// Left is the number of bytes that have not been read. After an error it is 0,
// so that a loop over what is left ends.
func (c *Cursor) Left() int {
	if c.err != nil {
		return 0
	}
	return len(c.b) - c.off
}

// Fail records a located error at the present position, unless there is one.
func (c *Cursor) Fail(format string, args ...any) {
	if c.err == nil {
		c.err = Errorf(c.Pos(), format, args...)
	}
}

// Seek moves to an absolute position in the slice.
func (c *Cursor) Seek(off int, what string) {
	if c.err == nil && (off < 0 || off > len(c.b)) {
		c.err = Errorf(c.Pos(), "%s: place %d outside %d bytes", what, off, len(c.b))
	}
	if c.err == nil {
		c.off = off
	}
}

// Take returns the next n bytes without copying them, or nil.
func (c *Cursor) Take(n int, what string) []byte {
	if c.err == nil && (n < 0 || n > len(c.b)-c.off) {
		c.err = Errorf(c.Pos(), "%s: need %d bytes, have %d", what, n, len(c.b)-c.off)
	}
	if c.err != nil {
		return nil
	}
	c.off += n
	return c.b[c.off-n : c.off : c.off]
}

// Skip passes over n bytes.
func (c *Cursor) Skip(n int, what string) { c.Take(n, what) }

// U8 reads one byte.
func (c *Cursor) U8(what string) uint8 {
	if b := c.Take(1, what); b != nil {
		return b[0]
	}
	return 0
}

// U16 reads two bytes.
func (c *Cursor) U16(what string) uint16 {
	if b := c.Take(2, what); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// U32 reads four bytes.
func (c *Cursor) U32(what string) uint32 {
	if b := c.Take(4, what); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// U64 reads eight bytes.
func (c *Cursor) U64(what string) uint64 {
	if b := c.Take(8, what); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// U16BE reads two bytes, most significant first.
func (c *Cursor) U16BE(what string) uint16 {
	if b := c.Take(2, what); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// U32BE reads four bytes, most significant first.
func (c *Cursor) U32BE(what string) uint32 {
	if b := c.Take(4, what); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// U64BE reads eight bytes, most significant first.
func (c *Cursor) U64BE(what string) uint64 {
	if b := c.Take(8, what); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}
