package acquire

import (
	"slices"
	"time"
)

// speedPoints bounds the curve of the reading speed, whatever the medium's size.
const speedPoints = 512

// Speed is the curve of the reading speed over the medium: equal parts, and how
// long reading each took.
type Speed struct {
	Step int64   `json:"step"` // bytes of a part
	US   []int64 `json:"us"`   // microseconds per part
}

func newSpeed(size int64) Speed {
	step := (size/speedPoints + batchSize) &^ (batchSize - 1)
	return Speed{Step: step, US: make([]int64, (size+step-1)/step)}
}

func (s *Speed) add(off int64, took time.Duration) {
	if i := off / s.Step; i < int64(len(s.US)) {
		s.US[i] += took.Microseconds()
	}
}

func (s *Speed) clone() Speed { return Speed{s.Step, slices.Clone(s.US)} }
