package zseek

import (
	"fmt"

	"github.com/klauspost/compress/zstd"

	"kanshiki/parsers/container"
)

// Level is how hard frames are compressed.
type Level uint8

// The levels.
const (
	Fast    Level = iota // about as large and as quick as zstd -1
	Default              // 2 or 3 % smaller, at a third more of the time
	Best                 // another 3 % smaller, at eight times the time
)

var zstdLevel = map[Level]zstd.EncoderLevel{
	Fast: zstd.SpeedFastest, Default: zstd.SpeedDefault, Best: zstd.SpeedBestCompression}

// Encoder turns units into frames. One goroutine uses one Encoder.
type Encoder struct {
	z    *zstd.Encoder
	zero map[int][]byte // the frame of so many zeros
}

// NewEncoder makes an Encoder for units of up to frameSize bytes.
func NewEncoder(level Level, frameSize int) (*Encoder, error) {
	l, ok := zstdLevel[level]
	if !ok || frameSize <= 0 || frameSize > MaxFrame {
		return nil, fmt.Errorf("zseek: no level %d for frames of %d bytes", level, frameSize)
	}
	window := zstd.MinWindowSize
	for window < frameSize {
		window *= 2
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(l), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(window), zstd.WithSingleSegment(true), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, err
	}
	return &Encoder{z: z, zero: map[int][]byte{}}, nil
}

// Encode appends the frame of a unit to dst.
func (e *Encoder) Encode(dst, unit []byte) []byte {
	if !container.IsZero(unit) {
		return e.z.EncodeAll(unit, dst)
	}
	z, ok := e.zero[len(unit)]
	if !ok {
		z = e.z.EncodeAll(unit, nil)
		e.zero[len(unit)] = z
	}
	return append(dst, z...)
}
