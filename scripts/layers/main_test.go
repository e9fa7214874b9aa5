package main

import (
	"strings"
	"testing"
)

func TestPlantedImportsAreCaught(t *testing.T) {
	for _, c := range []struct {
		from, imp string
		want      string // "" for allowed
	}{
		{"forensics/event", "kanshiki/forensics/locator", ""},
		{"forensics/locator", "kanshiki/forensics/trace", "upward"},
		{"parsers/regf", "kanshiki/forensics/problem", "upward"},
		{"parsers/regf", "kanshiki/parsers/evtx", "sideways"},
		{"parsers/regf", "kanshiki/parsers/internal/cursor", ""},
		{"parsers/internal/xpress", "kanshiki/parsers/internal/cursor", ""},
		{"parsers/internal/cursor", "kanshiki/parsers/internal/utf16", "sideways"},
		{"forensics/trace", "kanshiki/forensics/timeline", ""},
		{"forensics/timeline", "kanshiki/forensics/trace", "sideways"},
		{"forensics/artifact", "kanshiki/forensics/artifact/all", "upward"},
		{"forensics/artifact/logon", "kanshiki/forensics/artifact/network", "sideways"},
		{"cmd/ks-walk", "kanshiki/cmd/ks-pe", "sideways"},
		{"forensics/attic", "fmt", "stands in no row"},
		{"forensics/trace", "kanshiki/forensics/attic", "stands in no row"},
		{"forensics/trace", "github.com/parquet-go/parquet-go", "belongs to"},
		{"forensics/store", "github.com/parquet-go/parquet-go/format", ""},
		{"forensics/store", "github.com/nobody/nothing", "no package owns"},
		{"forensics/store", "encoding/json", ""},
	} {
		got := check([]pkg{{ImportPath: "kanshiki/" + c.from, Imports: []string{c.imp}}})
		all := strings.Join(got, "; ")
		if c.want == "" && len(got) > 0 || c.want != "" && !strings.Contains(all, c.want) {
			t.Errorf("%s imports %s: %q, want %q", c.from, c.imp, all, c.want)
		}
	}
}
