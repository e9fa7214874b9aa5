package picture

import (
	"fmt"
	"slices"
)

// The thresholds, each with its reason. A disk image of a virtual machine is
// zeros for the most part, and so is a new disk: zeros that no file uses say
// nothing, whatever their share.
const (
	usedZero      = 0.10     // of the clusters that files use; on system disks 0 to 3 % were seen
	usedZeroBytes = 16 << 20 // below that a few files explain it
	noise         = 7.98     // bits per byte of a part that looks random
	noiseShare    = 0.95     // of the parts
	fast          = 8        // times the usual reading speed
)

// Speed is how long reading equal parts of the medium took.
type Speed struct {
	Step int64 // bytes
	MS   []int64
}

// Judge says what looks odd. speed may be nil.
func (p *Picture) Judge(speed *Speed) {
	warn := func(format string, args ...any) { p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...)) }
	if p.ZeroBytes >= p.Size/p.Unit*p.Unit && p.Size >= p.Unit {
		warn("the whole medium reads as zeros: a wiped or new disk, or a reader that gave zeros instead of content")
		return
	}
	for _, v := range p.Volumes {
		share := float64(v.Zero) / float64(max(v.Used, 1))
		if share < usedZero || v.Zero < usedZeroBytes {
			continue
		}
		warn("volume %d: %.0f %% of the clusters that its files use hold nothing but zeros (%d of %d bytes; %d files of 1 MiB and more are empty from end to end). "+
			"Databases and virtual disks that were made in advance can explain it; so can content that was not read. Read the source again with another tool or cable and compare",
			v.Number, share*100, v.Zero, v.Used, v.Files)
		if s := p.fasterInZeros(speed); s != "" {
			warn("%s", s)
		}
	}
	random := 0
	for _, e := range p.Entropy {
		if e >= noise {
			random++
		}
	}
	if n := len(p.Entropy); n >= 16 && float64(random) >= noiseShare*float64(n) {
		warn("%d of %d parts of the medium look random: it is encrypted as a whole, or was overwritten with random bytes", random, n)
	}
}

// fasterInZeros compares the reading speed in the longest run of zeros with that
// elsewhere: a device that no longer answers is quick.
func (p *Picture) fasterInZeros(s *Speed) string {
	if s == nil || s.Step <= 0 {
		return ""
	}
	var in, out []int64
	for i, ms := range s.MS {
		off := int64(i) * s.Step
		if off >= p.LongestZero.Off && off+s.Step <= p.LongestZero.Off+p.LongestZero.Len {
			in = append(in, ms)
		} else {
			out = append(out, ms)
		}
	}
	if len(in) < 4 || len(out) < 4 {
		return ""
	}
	slices.Sort(in)
	slices.Sort(out)
	a, b := in[len(in)/2], out[len(out)/2]
	if b < 50 || b < fast*max(a, 1) {
		return ""
	}
	return fmt.Sprintf("from byte %d on, where the longest run of zeros is, reading was %d times as fast as elsewhere (%d ms against %d ms for %d bytes)",
		p.LongestZero.Off, b/max(a, 1), a, b, s.Step)
}

// Lines are the picture in a few lines of text, width letters wide: blank for
// zeros, "." ":" "+" for content of rising entropy, "#" for what looks random.
func (p *Picture) Lines(width int) []string {
	line := make([]byte, 0, width)
	n := len(p.Entropy)
	for i := range min(width, n) {
		from, to := i*n/min(width, n), (i+1)*n/min(width, n)
		var e float32
		for _, x := range p.Entropy[from:to] {
			e += x
		}
		e /= float32(to - from)
		c := byte(' ')
		switch {
		case e >= 7.9:
			c = '#'
		case e >= 6:
			c = '+'
		case e >= 3:
			c = ':'
		case e > 0.01:
			c = '.'
		}
		line = append(line, c)
	}
	return []string{
		fmt.Sprintf("%d %% zeros; the longest run has %d bytes from %d on", p.ZeroBytes*100/max(p.Size, 1), p.LongestZero.Len, p.LongestZero.Off),
		"[" + string(line) + "]  blank: zeros; . : + content; # random-like",
	}
}
