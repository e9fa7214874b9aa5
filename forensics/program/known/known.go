// Package known looks digests up in lists of files that somebody knows: plain
// lists, CSV, and the SQLite databases of the NSRL (RDS version 3). A list
// says what it says: that a file was seen, not that it is wanted.
package known

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// MaxDigests bounds a list that is held in memory; larger ones come as SQLite.
const MaxDigests = 4 << 20

// List is one list of digests.
type List struct {
	name    string
	digests map[string]string // raw digest → name
	db      *database
}

// Name is the list's file name.
func (l *List) Name() string { return l.name }

// Len is the number of digests held in memory, 0 for a database.
func (l *List) Len() int { return len(l.digests) }

// Close gives a database back.
func (l *List) Close() error {
	if l.db != nil {
		return l.db.close()
	}
	return nil
}

// Open reads a list, whose kind its content says.
func Open(path string) (*List, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	l := &List{name: filepath.Base(path)}
	if bytes.HasPrefix(head[:n], []byte("SQLite format 3\x00")) {
		if l.db, err = openDatabase(path); err != nil {
			return nil, fmt.Errorf("open %s: %w", l.name, err)
		}
		return l, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if err := l.read(f, bytes.ContainsRune(firstLine(head[:n]), ',')); err != nil {
		return nil, fmt.Errorf("read %s: %w", l.name, err)
	}
	if len(l.digests) == 0 {
		return nil, fmt.Errorf("read %s: no MD5, SHA-1 or SHA-256 in it", l.name)
	}
	return l, nil
}

func firstLine(b []byte) []byte {
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	return line
}

// read takes every field that has the form of a digest. In a plain line the
// rest is the name, in CSV the first other field that is no number.
func (l *List) read(r io.Reader, comma bool) error {
	l.digests = map[string]string{}
	if !comma {
		s := bufio.NewScanner(r)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			word, rest, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(s.Text(), "\ufeff")), " ")
			if err := l.add([]string{word}, strings.TrimLeft(rest, " *")); err != nil {
				return err
			}
		}
		return s.Err()
	}
	c := csv.NewReader(r)
	c.FieldsPerRecord, c.LazyQuotes, c.ReuseRecord = -1, true, true
	nameAt := -1
	for line := 0; ; line++ {
		rec, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if line == 0 {
			for i, h := range rec {
				switch strings.ToLower(strings.Trim(h, "\ufeff\" ")) {
				case "filename", "file_name", "name", "file", "path":
					nameAt = i
				}
			}
		}
		name := ""
		if nameAt >= 0 && nameAt < len(rec) {
			name = rec[nameAt]
		}
		if err := l.add(rec, name); err != nil {
			return err
		}
	}
}

func (l *List) add(fields []string, name string) error {
	for _, f := range fields {
		d, ok := digest(f)
		if !ok {
			continue
		}
		if len(l.digests) >= MaxDigests {
			return fmt.Errorf("more than %d digests: give it as an SQLite database", MaxDigests)
		}
		l.digests[d] = strings.Clone(name)
	}
	return nil
}

// digest reads an MD5, SHA-1 or SHA-256 in hex.
func digest(s string) (string, bool) {
	s = strings.TrimSpace(s)
	switch len(s) {
	case 32, 40, 64:
		if b, err := hex.DecodeString(s); err == nil {
			return string(b), true
		}
	}
	return "", false
}

// Lookup tells whether any of the digests (in hex) is in the list, the longest
// first, and the name that the list gives.
func (l *List) Lookup(md5, sha1, sha256 string) (name string, ok bool, err error) {
	if l.db != nil {
		return l.db.lookup(md5, sha1, sha256)
	}
	for _, s := range []string{sha256, sha1, md5} {
		if d, valid := digest(s); valid {
			if name, ok := l.digests[d]; ok {
				return name, true, nil
			}
		}
	}
	return "", false, nil
}
