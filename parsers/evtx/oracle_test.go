package evtx

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
)

// TestAgainstEvtxexport compares the XML of every live record, field by field,
// with that of libevtx. Where libevtx gives up on a file, what it wrote before
// is compared.
func TestAgainstEvtxexport(t *testing.T) {
	tool, err := exec.LookPath("evtxexport")
	if err != nil {
		t.Skip("no evtxexport (Debian package libevtx-utils)")
	}
	rows := corpus.Truth(t, "evtx")
	every := 25
	if os.Getenv("KANSHIKI_ALL") != "" {
		every = 1
	}
	compared, files := 0, 0
	for i, row := range rows {
		if row["walk_records"] == "" || i%every != 0 {
			continue
		}
		path := corpus.Path(t, "artifacts/"+row["file"])
		out, _ := exec.Command(tool, "-f", "xml", path).Output()
		theirs := splitEvents(out)
		files++
		n := 0
		for r, err := range openFile(t, path).Records() {
			if r == nil || r.Origin != Live || r.Torn || n >= len(theirs) {
				continue
			}
			want := theirs[n]
			n++
			ours, xerr := r.AppendXML(nil)
			if err != nil || xerr != nil {
				t.Errorf("%s: %v: %v, %v", row["file"], r, err, xerr)
				continue
			}
			compared++
			if d := compare(ours, want); d != "" {
				t.Errorf("%s: %v: %s", row["file"], r, d)
			}
		}
	}
	t.Logf("%d records of %d files compared", compared, files)
}

// compare tells the first difference between our XML and that of libevtx.
// libevtx writes size_t in decimal digits, Windows and we in hexadecimal ones;
// it does not escape text that is XML itself; it leaves out binary XML in a
// second value (RenderingInfo); it takes the sign off negative numbers of 32
// bits as if they were sign and magnitude (-1 is -2147483647); and it writes some characters
// that XML does not have, which no reader takes.
func compare(ours, theirs []byte) string {
	a, err := flatten(ours)
	if err != nil {
		return err.Error()
	}
	b, err := flatten(theirs)
	if err != nil {
		return ""
	}
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x == y {
			continue
		}
		if strings.HasPrefix(x, "<") || strings.HasPrefix(x, "RenderingInfo") && y == "/Event" {
			return ""
		}
		n, err := strconv.ParseUint(x, 0, 64)
		if m, err2 := strconv.ParseUint(y, 10, 64); err == nil && err2 == nil && n == m {
			continue
		}
		if neg, err := strconv.ParseInt(x, 10, 32); err == nil && neg < 0 && y == strconv.FormatInt(-int64(uint32(neg)&0x7fffffff), 10) {
			continue
		}
		if strings.ContainsRune(x, '\ufffd') {
			return ""
		}
		return fmt.Sprintf("token %d: ours %.300q, theirs %.300q", i, x, y)
	}
	return ""
}

func splitEvents(out []byte) [][]byte {
	var events [][]byte
	for {
		i := bytes.Index(out, []byte("<Event "))
		if i < 0 {
			return events
		}
		out = out[i:]
		j := bytes.Index(out, []byte("</Event>"))
		if j < 0 {
			return events
		}
		events = append(events, out[:j+8])
		out = out[j+8:]
	}
}

// flatten gives the tokens of an XML text as lines.
func flatten(text []byte) ([]string, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	var out []string
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			s := tok.Name.Local
			for _, a := range tok.Attr {
				s += fmt.Sprintf(" %s=%q", a.Name.Local, normal(a.Value))
			}
			out = append(out, s)
		case xml.EndElement:
			out = append(out, "/"+tok.Name.Local)
		case xml.CharData:
			if s := normal(string(tok)); s != "" {
				out = append(out, s)
			}
		}
	}
}

// normal takes away what is only a way of writing: letters of hexadecimal
// digits and zeros in front of them, digits of a second, space.
func normal(s string) string {
	s = strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
	if rest, ok := strings.CutPrefix(s, "0x"); ok {
		return "0x" + cmp.Or(strings.ToLower(strings.TrimLeft(rest, "0")), "0")
	}
	if len(s) == 30 && s[10] == 'T' && strings.HasSuffix(s, "00Z") {
		s = s[:27] + "Z"
	}
	return strings.ToLower(s)
}
