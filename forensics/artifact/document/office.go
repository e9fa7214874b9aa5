package document

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/parsers/regf"
)

// OfficeMRU are the files and places that Office programs list as recent; each
// entry has a time of its own.
var OfficeMRU = mruSpec("document/officemru", "Recent files of Office", mru{
	keys: []string{
		`Software\Microsoft\Office\*\*\File MRU`, `Software\Microsoft\Office\*\*\Place MRU`,
		`Software\Microsoft\Office\*\*\User MRU\*\File MRU`, `Software\Microsoft\Office\*\*\User MRU\*\Place MRU`,
		`Software\Microsoft\Office\*\*\Recent File List`,
	},
	action: event.ReadOrOpened, first: "opened by Office", other: "opened by Office before", verb: "Office opened", ordered: listNumbered("Item "), decode: decodeOffice,
	skip: func(name string) bool { return !strings.HasPrefix(name, "Item ") && !strings.HasPrefix(name, "File") },
}, artifact.Card{
	Proves:    "An Office program of this profile opened or saved this file, or used this folder, at the time in the entry.",
	NotProven: "That it was read, that macros ran; earlier times. With a Microsoft account the list follows the user to other machines.",
	Clock:     "System UTC, 100 ns (FILETIME in the entry).",
	Retention: "25 to 50 entries for each program.",
	Switches:  "Office option \"Show this number of Recent Documents\" = 0.",
	Source:    "libyal winreg-kb, \"Office file MRU\"; Office 2007 (without times) and later.",
})

// TrustRecords are the documents for which the user allowed editing or macros.
var TrustRecords = mruSpec("document/trustrecords", "Trusted documents of Office", mru{
	keys: []string{`Software\Microsoft\Office\*\*\Security\Trusted Documents\TrustRecords`}, action: event.ReadOrOpened,
	first: "trusted by the user", other: "trusted by the user", verb: "trusted document", ordered: func(*regf.Key) []string { return nil }, decode: decodeTrust,
	skip: func(name string) bool { return name == "" },
}, artifact.Card{
	Proves:    "In this profile the bar was clicked that allows editing of this document; with macros_enabled, the one that allows its macros.",
	NotProven: "That a macro ran. The time is that of the first trust, by tests the creation time of the file on some versions.",
	Clock:     "System UTC, 100 ns (FILETIME in the value).",
	Retention: "500 entries, purged by Office.",
	Switches:  "Policy \"Turn off Trusted Documents\"; Office 2010 and later.",
	Source:    "A. Davis, \"More on Trust Records, Macros and Security\"; H. Carvey, TrustRecords; Microsoft Learn, trusted documents.",
})

// decodeOffice reads "[F00000000][T01CD0146EA1EADB0][O00000000]*C:\a.docx";
// Office 2007 has the path alone.
func decodeOffice(e *event.Event, v regf.Value) (string, error) {
	s, err := plain(v)
	if err != nil {
		return "", err
	}
	path := s
	if head, tail, ok := strings.Cut(s, "]*"); ok && strings.HasPrefix(s, "[") {
		path = tail
		if _, t, ok := strings.Cut(head, "[T"); ok && len(t) >= 16 {
			n, perr := strconv.ParseUint(t[:16], 16, 64)
			if perr != nil {
				err = fmt.Errorf("time of an entry: %q", t[:16])
			}
			if e.Ticks = event.Ticks(n); !e.Ticks.Valid() {
				e.Ticks = 0
			}
		}
	}
	if e.Path = artifact.PathOf(path); e.Path == "" {
		e.Path = path
	}
	if strings.HasPrefix(path, "http") {
		e.URL, e.Path = path, ""
	}
	e.Fields = append(e.Fields, event.Str("name", path), event.Str("raw", s))
	return path, err
}

// decodeTrust reads a time, and in the last four bytes what was trusted.
func decodeTrust(e *event.Event, v regf.Value) (string, error) {
	b, err := v.Data()
	if err != nil {
		return "", err
	}
	path := strings.ReplaceAll(v.Name, "%20", " ")
	if e.Path = artifact.PathOf(path); e.Path == "" {
		e.Path = path
	}
	e.Fields = append(e.Fields, event.Str("name", v.Name))
	if len(b) < 24 {
		return v.Name, fmt.Errorf("trust record of %d bytes, 24 expected", len(b))
	}
	if e.Ticks = event.Ticks(binary.LittleEndian.Uint64(b)); !e.Ticks.Valid() {
		e.Ticks = 0
	}
	macros := binary.LittleEndian.Uint32(b[len(b)-4:]) == 0x7FFFFFFF
	e.Fields = append(e.Fields, event.Bool("macros_enabled", macros), event.Str("raw", fmt.Sprintf("%x", b[:min(len(b), 64)])))
	if macros {
		return v.Name + " with its macros", nil
	}
	return v.Name, nil
}
