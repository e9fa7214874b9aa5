package lnk

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/internal/filetime"
)

// stamp prints a FILETIME as the truth tables do.
func stamp(t uint64) string {
	if t == 0 {
		return ""
	}
	u := int64(t) - filetime.Unix
	return time.Unix(u/1e7, u%1e7*100).UTC().Format("2006-01-02T15:04:05.0000000Z")
}

// fields are the columns of the truth table, by our reading.
func fields(l *Link) map[string]string {
	m := map[string]string{
		"flags": fmt.Sprintf("0x%08x", l.Flags), "attrs": fmt.Sprintf("0x%08x", l.Attributes),
		"ctime": stamp(l.Created), "atime": stamp(l.Accessed), "mtime": stamp(l.Modified),
		"target_size": strconv.Itoa(int(l.Size)), "relative_path": l.RelativePath.Text,
		"working_directory": l.WorkingDir.Text, "command_line_arguments": l.Arguments.Text,
		"icon_location": l.IconLocation.Text, "description": l.Description.Text,
		"environment_variables_location": l.Environment,
	}
	if i := l.Info; i != nil {
		if i.Volume != nil {
			m["volume_label"] = i.Volume.Label.Text
			m["drive_serial"] = fmt.Sprintf("%x", i.Volume.Serial)
			m["drive_type"] = strconv.Itoa(int(i.Volume.Type))
			m["local_path"] = i.Path()
		}
		if p := i.NetworkPath(); p != "" {
			m["other"] = "network_path=" + p
		}
	}
	if l.Icon != "" { // liblnk shows the one of the block where there is one
		m["icon_location"] = l.Icon
	}
	if l.Tracker != nil {
		m["machine_identifier"] = l.Tracker.Machine.Text
		m["droid_file"] = l.Tracker.File.String()
	}
	return m
}

// TestCorpus compares every field with what liblnk 20181227 gives.
func TestCorpus(t *testing.T) {
	read, refused := 0, 0
	for _, row := range corpus.Truth(t, "lnk") {
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		l, err := Parse(b, Options{CodePage: 1252})
		if row["flags"] == "" || row["state"] != "" {
			if err == nil && len(l.Damage) == 0 {
				t.Errorf("%s: damage is silent", row["file"])
			}
			refused++
			continue
		}
		if err != nil || len(l.Damage) > 0 {
			t.Errorf("%s: %v %v", row["file"], err, l)
			continue
		}
		read++
		got := fields(l)
		for _, k := range []string{"flags", "attrs", "ctime", "atime", "mtime", "target_size", "relative_path",
			"working_directory", "command_line_arguments", "icon_location", "description", "environment_variables_location",
			"volume_label", "drive_serial", "drive_type", "local_path", "other", "machine_identifier", "droid_file"} {
			want := row[k]
			if k == "target_size" && want == "" {
				want = "0"
			}
			if clean(got[k]) != clean(want) {
				t.Errorf("%s: %s = %q, want %q", row["file"], k, got[k], want)
			}
		}
	}
	if read != 734 || refused != 2 {
		t.Errorf("%d read, %d damaged", read, refused)
	}
}

// clean makes up for what the table does not hold: zeros, and more than 150
// characters.
func clean(s string) string {
	r := []rune(strings.ReplaceAll(s, "\x00", ""))
	return strings.TrimSpace(string(r[:min(len(r), 150)]))
}
