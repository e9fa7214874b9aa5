package aff4

import (
	"errors"
	"fmt"
	"strings"

	"kanshiki/parsers/container"
)

// volume is one file of an image: an archive and what it says of itself.
type volume struct {
	a       *archive
	g       graph
	name    string            // its own, an ARN
	version map[string]string // version.txt
	said    []container.Problem
}

// openVolume reads what a volume says of itself.
func openVolume(f container.File) (*volume, error) {
	a, err := openArchive(f)
	if err != nil {
		return nil, err
	}
	v := &volume{a: a, name: a.comment, said: a.said}
	if s, ok := a.other["container.description"]; ok {
		b, err := a.bytes(s, 1<<12)
		if name := strings.Trim(string(b), "\x00\r\n "); err == nil && strings.HasPrefix(name, "aff4:") {
			v.name = name
		} else if err != nil {
			v.say(s, "container.description", err)
		}
	}
	if err := v.readVersion(); err != nil {
		return nil, err
	}
	return v, v.readTurtle()
}

func (v *volume) say(s segment, what string, err error) {
	v.said = append(v.said, container.Problem{File: v.a.f.Name, Off: s.header, What: what + ": " + err.Error()})
}

// readVersion reads version.txt, which volumes have since the standard. A later
// major version may mean anything.
func (v *volume) readVersion() error {
	v.version = map[string]string{}
	s, ok := v.a.other["version.txt"]
	if !ok {
		return nil
	}
	b, err := v.a.bytes(s, 1<<16)
	if err != nil {
		v.say(s, "version.txt", err)
	}
	for _, line := range strings.FieldsFunc(string(b), func(r rune) bool { return r == '\r' || r == '\n' }) {
		if name, value, ok := strings.Cut(line, "="); ok {
			v.version[name] = value
		}
	}
	if major := v.version["major"]; err == nil && major != "1" && major != "" {
		return fmt.Errorf("version %s of the format %w", major, ErrUnsupported)
	}
	return nil
}

func (v *volume) readTurtle() error {
	s, ok := v.a.other["information.turtle"]
	if !ok {
		if _, ok := v.a.other["information.encrypted.turtle"]; ok {
			return fmt.Errorf("the volume %w", errEncrypted)
		}
		return errors.New("no information.turtle: nothing says what the segments are")
	}
	b, err := v.a.bytes(s, MaxTurtle)
	if err != nil {
		if !errors.Is(err, errSum) {
			return fmt.Errorf("information.turtle: %w", err)
		}
		v.say(s, "information.turtle", err)
	}
	if v.g, err = parseTurtle(string(b)); err != nil {
		if len(v.g) == 0 {
			return err
		}
		v.say(s, "what stands behind is not read", err)
	}
	return nil
}

// foreign says why a volume without a disk image has none, by what it has.
func (v *volume) foreign() error {
	var logical, memory, old bool
	for s, properties := range v.g {
		for _, o := range properties[rdfType] {
			old = old || strings.HasPrefix(o.value, "http://afflib.org/")
		}
		logical = logical || v.g.is(s, "FileImage") || v.g.is(s, "FolderImage") || v.g.is(s, "Folder")
		memory = memory || v.g.is(s, "MemoryImage") || v.g.is(s, "PhysicalMemoryImage")
		// libaff4 before the standard, and pmem
		old = old || v.g.is(s, "image") || v.g.is(s, "map")
	}
	switch {
	case logical:
		return fmt.Errorf("%w: a logical image (AFF4-L) has files", ErrNoDisk)
	case memory:
		return fmt.Errorf("%w: it has memory", ErrNoDisk)
	case old:
		return fmt.Errorf("a volume from before the standard (another schema) %w", ErrUnsupported)
	}
	return fmt.Errorf("%w, as far as information.turtle tells", ErrNoDisk)
}
