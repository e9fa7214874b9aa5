package program

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Limits of the search for hosts, addresses and URLs.
const (
	maxStrings  = 512 // distinct, of all kinds
	maxString   = 256 // bytes of one
	shortestRun = 6
)

// topLevels are the last labels that make a dotted word a host; outside of a
// URL only in lower case, since System.Net is a class, and with two labels only
// where the last is one of plain, since alloc.cc is a file.
var topLevels = setOf(`com net org info biz edu gov mil int jp cn kr tw hk ru su ua by kz us uk de fr it
	es nl be ch at se no fi dk pl cz ro hu gr tr il in th vn my sg id ph au nz br ar mx ca za eu asia cc ws tv tk me
	pw xyz top club site online live shop vip win icu mobi name pro onion bit`)

var plain = setOf("com net org biz jp cn kr tw hk ru")

func setOf(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// netStrings finds what looks like a host, an address or a URL in text of one
// byte and of two bytes a character. skip is a range that is not searched (the
// certificate table is full of its authorities' addresses).
func netStrings(b []byte, skipFrom, skipTo int64) (out []String, more bool) {
	s := &netSearch{seen: map[[2]string]int{}}
	s.ascii(b[:min(skipFrom, int64(len(b)))], 0)
	s.wide(b[:min(skipFrom, int64(len(b)))], 0)
	if skipTo < int64(len(b)) {
		s.ascii(b[skipTo:], skipTo)
		s.wide(b[skipTo:], skipTo)
	}
	slices.SortFunc(s.out, func(a, b String) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Value, b.Value), cmp.Compare(a.Offset, b.Offset))
	})
	return s.out, s.more
}

type netSearch struct {
	out  []String
	seen map[[2]string]int
	more bool
}

func printable(c byte) bool { return c > ' ' && c < 0x7f }

// ascii looks at the runs of printable bytes around dots.
func (s *netSearch) ascii(b []byte, base int64) {
	for from := 0; from < len(b); {
		dot := bytes.IndexByte(b[from:], '.')
		if dot < 0 {
			return
		}
		i, j := from+dot, from+dot+1
		for i > from && printable(b[i-1]) {
			i--
		}
		for j < len(b) && printable(b[j]) {
			j++
		}
		if j-i >= shortestRun {
			s.run(b[i:j], base+int64(i), 1, "ascii")
		}
		from = j
	}
}

// wide does the same in UTF-16LE, at any alignment.
func (s *netSearch) wide(b []byte, base int64) {
	var text []byte
	for from := 0; from+1 < len(b); {
		dot := bytes.IndexByte(b[from:], '.')
		if dot < 0 {
			return
		}
		i := from + dot
		if i+1 >= len(b) || b[i+1] != 0 {
			from = i + 1
			continue
		}
		j := i + 2
		for i-2 >= from && printable(b[i-2]) && b[i-1] == 0 {
			i -= 2
		}
		for j+1 < len(b) && printable(b[j]) && b[j+1] == 0 {
			j += 2
		}
		if (j-i)/2 >= shortestRun {
			text = text[:0]
			for k := i; k < j; k += 2 {
				text = append(text, b[k])
			}
			s.run(text, base+int64(i), 2, "utf-16")
		}
		from = j
	}
}

// run looks at one run without spaces.
func (s *netSearch) run(t []byte, off int64, width int64, encoding string) {
	rest, at := t, int64(0)
	for {
		i := bytes.Index(rest, []byte("://"))
		if i < 0 {
			break
		}
		from := i
		for from > 0 && isLetter(rest[from-1]) && i-from < 10 {
			from--
		}
		to := i + 3
		for to < len(rest) && urlByte(rest[to]) && to-from < maxString {
			to++
		}
		// A letter of what stands before may touch it, so the scheme is a suffix.
		for from < i && !schemes[strings.ToLower(string(rest[from:i]))] {
			from++
		}
		if from < i && to > i+5 && bytes.IndexByte(rest[i+3:to], '.') >= 0 {
			s.add("url", strings.TrimRight(string(rest[from:to]), ".,;:'\")"), off+(at+int64(from))*width, encoding)
		}
		at += int64(to)
		rest = rest[to:]
	}
	for i := 0; i < len(t); {
		if !hostByte(t[i]) {
			i++
			continue
		}
		j := i
		for j < len(t) && hostByte(t[j]) {
			j++
		}
		inURL := i >= 3 && string(t[i-3:i]) == "://"
		s.word(string(t[i:j]), off+int64(i)*width, encoding, inURL)
		i = j
	}
}

var schemes = setOf("http https ftp ftps sftp ws wss tcp udp socks socks5 smb ldap irc")

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }
func hostByte(c byte) bool { return isLetter(c) || c == '.' || c == '-' }
func urlByte(c byte) bool {
	return printable(c) && c != '"' && c != '\'' && c != '<' && c != '>' && c != '`' && c != '\\'
}

// word tells hosts and addresses from versions, classes and file names.
func (s *netSearch) word(w string, off int64, encoding string, inURL bool) {
	w = strings.Trim(w, ".-")
	if len(w) < shortestRun || len(w) > maxString || strings.Count(w, ".") == 0 {
		return
	}
	if a, err := netip.ParseAddr(w); err == nil {
		if o := a.As4(); looksLikeAddress(o) {
			s.add("address", w, off, encoding)
		}
		return
	}
	labels := strings.Split(w, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return
		}
	}
	last := labels[len(labels)-1]
	if !inURL && (strings.ToLower(w) != w || len(labels) == 2 && !plain[last] || len(labels[len(labels)-2]) < 2) {
		return
	}
	if !topLevels[strings.ToLower(last)] || !strings.ContainsAny(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		return
	}
	s.add("host", strings.ToLower(w), off, encoding)
}

// looksLikeAddress leaves out what versions look like (four small numbers),
// masks, and addresses that name no other machine.
func looksLikeAddress(o [4]byte) bool {
	if o[0] == 0 || o[0] == 127 || o[0] >= 224 {
		return false
	}
	for _, v := range o {
		if v >= 20 {
			return true
		}
	}
	return false
}

func (s *netSearch) add(kind, value string, off int64, encoding string) {
	key := [2]string{kind, value}
	if i, ok := s.seen[key]; ok {
		if off < s.out[i].Offset {
			s.out[i].Offset, s.out[i].Encoding = off, encoding
		}
		return
	}
	if len(s.out) >= maxStrings {
		s.more = true
		return
	}
	s.seen[key] = len(s.out)
	s.out = append(s.out, String{kind, value, off, encoding})
}
