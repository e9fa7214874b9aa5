package ewf

import (
	"fmt"
	"strings"
)

// SegmentName is the name of segment n in the set in which the named file is
// segment own (as its header says). The extensions of a set are .E01 to .E99,
// then .EAA to .EZZ, .FAA to .ZZZ; SMART's begin with S; the case is that of
// the named file. ok is false where the name does not fit its number, or the
// scheme has no name for n.
func SegmentName(name string, own, n int) (string, bool) {
	if len(name) < 5 || name[len(name)-4] != '.' || own < 1 || n < 1 {
		return "", false
	}
	stem, ext := name[:len(name)-4], name[len(name)-3:]
	lead := int(strings.ToUpper(ext)[0]) // of the first segment
	if own > 99 {
		lead -= (own - 100) / 676
	}
	if lead != 'E' && lead != 'S' || extension(lead, own) != strings.ToUpper(ext) {
		return "", false
	}
	out := extension(lead, n)
	if strings.ToLower(ext) == ext {
		out = strings.ToLower(out)
	}
	if out == "" {
		return "", false
	}
	return stem + "." + out, true
}

func extension(lead, n int) string {
	if n <= 99 {
		return fmt.Sprintf("%c%02d", lead, n)
	}
	k := n - 100
	if lead += k / 676; lead > 'Z' {
		return ""
	}
	return string([]byte{byte(lead), byte('A' + k/26%26), byte('A' + k%26)})
}
