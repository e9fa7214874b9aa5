package ewf

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"

	"kanshiki/parsers/internal/inflate"
)

// The header sections hold one table of text, each in its own encoding. libewf
// tells the writer's version from the order of the identifiers: these are
// EnCase 6's.
const (
	ids2 = "a\tc\tn\te\tt\tmd\tsn\tav\tov\tm\tu\tp\tdc"
	ids  = "c\tn\ta\te\tt\tav\tov\tm\tu\tp"
)

const (
	maxField  = 2999 // UTF-16 units of a free text: libewf's users tell of less than 3000
	maxTool   = 11
	maxSystem = 23
)

// check refuses what would be cut: half a sentence may say the opposite.
func (h Header) check() error {
	for _, f := range []struct{ name, text string }{{"case", h.Case}, {"exhibit", h.Exhibit}, {"examiner", h.Examiner},
		{"description", h.Description}, {"notes", h.Notes}, {"model", h.Model}, {"serial", h.Serial}} {
		if n := len(utf16.Encode([]rune(f.text))); n > maxField {
			return fmt.Errorf("ewf: %s has %d letters; the format holds %d", f.name, n, maxField)
		}
	}
	return nil
}

// header2 is UTF-16LE with a byte order mark, lines end in \n, times are
// seconds since 1970.
func header2(h Header) []byte {
	at := fmt.Sprint(h.Acquired.Unix())
	values := []string{h.Description, h.Case, h.Exhibit, h.Examiner, h.Notes, h.Model, h.Serial,
		cutTo(h.Tool, maxTool), cutTo(h.System, maxSystem), at, at, "0", ""}
	text := "3\nmain\n" + ids2 + "\n" + row(values) + "\n\n" +
		"srce\n0\t1\np\tn\tid\tev\ttb\tlo\tpo\tah\tgu\taq\n0\t0\n\t\t\t\t\t-1\t-1\t\t\t\n\n" +
		"sub\n0\t1\np\tn\tid\tnu\tco\tgu\n0\t0\n\t\t\t\t1\t\n\n"
	out := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

// header is 8-bit text, lines end in \r\n, times are calendar times without a
// zone: UTC. What ASCII has no letter for is "?"; header2 has it.
func header(h Header) []byte {
	u := h.Acquired.UTC()
	at := fmt.Sprint(u.Year(), int(u.Month()), u.Day(), u.Hour(), u.Minute(), u.Second())
	values := []string{h.Case, h.Exhibit, h.Description, h.Examiner, h.Notes,
		cutTo(h.Tool, maxTool), cutTo(h.System, maxSystem), at, at, "0"}
	text := strings.Map(func(r rune) rune {
		if r > 0x7E {
			return '?'
		}
		return r
	}, row(values))
	return []byte("1\r\nmain\r\n" + ids + "\r\n" + text + "\r\n\r\n")
}

// row joins values. The format has no escape for its own separators: they
// become spaces, and other controls are left out.
func row(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.Map(func(r rune) rune {
			switch {
			case r == '\t' || r == '\r' || r == '\n':
				return ' '
			case r < 0x20 || r == 0x7F:
				return -1
			}
			return r
		}, v)
	}
	return strings.Join(out, "\t")
}

// cutTo keeps the first n letters.
func cutTo(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// deflated is a header's stored form.
func deflated(b []byte) []byte {
	e, err := inflate.NewEncoder(6)
	if err != nil {
		panic(err) // the level is ours
	}
	return e.Zlib(nil, b, inflate.Sum(b))
}
