// Command layers holds the house in order: imports go down only, every package
// stands in a row, and a third-party module is imported by its owner alone.
//
//	go run ./scripts/layers
//
// Changing the rows is a design change, not a fix for a build.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// rows from the ground up. A package may import the rows below its own; within
// a row nothing is imported, but a pattern that ends in "→" may be imported by
// those after it in its row.
var rows = [][]string{
	{"parsers/internal/cursor →", "parsers/internal/filetime →", "parsers/internal/utf16 →",
		"parsers/internal/codepage →", "parsers/internal/guid →", "parsers/internal/der →", "parsers/internal/*"},
	{"parsers/container"},
	{"parsers/*"},
	{"forensics", "forensics/locator", "forensics/escape"},
	{"forensics/event", "forensics/problem"},
	{"forensics/coverage"},
	{"forensics/internal/*"},
	{"forensics/custody", "forensics/store"},
	{"forensics/acquire/device →", "forensics/acquire/rescue", "forensics/acquire/faulty →", "forensics/acquire/faulty/mounted"},
	{"forensics/evidence →", "forensics/acquire", "forensics/evidence/evidencetest"},
	{"forensics/volume"},
	{"forensics/filesystem →", "forensics/filesystem/filesystemtest", "forensics/filesystem/secondreader"},
	{"forensics/picture"},
	{"forensics/program/known →", "forensics/program"},
	{"forensics/artifact →", "forensics/artifact/artifacttest"},
	{"forensics/artifact/*"},
	{"forensics/artifact/all"},
	{"forensics/timeline →", "forensics/trace"},
	{"forensics/report"},
	{"cmd/internal/cli"},
	{"cmd/internal/reading", "cmd/internal/clitest"},
	{"cmd/*"},
	{"scripts/*", "scripts/*/*", "fixtures/*"},
}

// owners of third-party modules: the packages whose product code may import
// them. What is not here may be imported by tests only.
var owners = map[string][]string{
	"github.com/pierrec/lz4/v4":        {"parsers/aff4"},
	"aead.dev/minisign":                {"forensics/custody"},
	"github.com/klauspost/compress":    {"parsers/aff4", "parsers/internal/inflate", "parsers/packed", "parsers/qcow2", "parsers/zip", "parsers/zseek"},
	"github.com/cespare/xxhash/v2":     {"parsers/zseek"},
	"github.com/parquet-go/parquet-go": {"forensics/store"},
	"github.com/saferwall/pe":          {"parsers/pe"},
	"github.com/richardlehane/mscfb":   {"parsers/olecf"},
	"github.com/jhillyerd/enmime/v2":   {"parsers/eml"},
	"github.com/ulikunitz/xz":          {"parsers/packed"},
	"modernc.org/sqlite":               {"parsers/sqlite", "forensics/program/known"},
	"go.mozilla.org/pkcs7":             {"parsers/authenticode", "parsers/cat", "parsers/pe", "parsers/internal/pkcs7"},
	"www.velocidex.com/golang/go-ntfs": {"forensics/filesystem/secondreader"},
	"golang.org/x/text":                {"parsers/internal/codepage", "parsers/lnk", "parsers/eml"},
	"golang.org/x/sys":                 {"forensics/internal/guard", "forensics/store", "forensics/acquire/device"},
	"golang.org/x/sync":                {"forensics/internal/work"},
	"github.com/hanwen/go-fuse/v2":     {"forensics/acquire/faulty/mounted"}, // imported by tests alone
}

const module = "kanshiki"

// pkg is what go list says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
}

func main() {
	pkgs, err := list()
	if err != nil {
		fmt.Fprintln(os.Stderr, "layers:", err)
		os.Exit(1)
	}
	faults := check(pkgs)
	for _, f := range faults {
		fmt.Println(f)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
	fmt.Printf("layers: %d packages, all imports go down\n", len(pkgs))
}

// list asks go list for every package, for each system that is built for.
func list() ([]pkg, error) {
	seen := map[string]*pkg{}
	for _, goos := range []string{"linux", "windows"} {
		cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
		cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, err
		}
		dec := json.NewDecoder(strings.NewReader(string(out)))
		for {
			var p pkg
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if have := seen[p.ImportPath]; have != nil {
				have.Imports = append(have.Imports, p.Imports...)
			} else {
				seen[p.ImportPath] = &p
			}
		}
	}
	var all []pkg
	for _, p := range seen {
		slices.Sort(p.Imports)
		p.Imports = slices.Compact(p.Imports)
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b pkg) int { return strings.Compare(a.ImportPath, b.ImportPath) })
	return all, nil
}

func check(pkgs []pkg) []string {
	var faults []string
	for _, p := range pkgs {
		from, ok := strings.CutPrefix(p.ImportPath, module+"/")
		if !ok {
			continue
		}
		row, place, _ := find(from)
		if row < 0 {
			faults = append(faults, from+": stands in no row")
			continue
		}
		for _, imp := range p.Imports {
			if to, ours := strings.CutPrefix(imp, module+"/"); ours {
				r, at, open := find(to)
				switch {
				case r < 0:
					faults = append(faults, fmt.Sprintf("%s: imports %s, which stands in no row", from, to))
				case r > row:
					faults = append(faults, fmt.Sprintf("%s: imports upward: %s", from, to))
				case r == row && !(open && at < place):
					faults = append(faults, fmt.Sprintf("%s: imports sideways: %s", from, to))
				}
				continue
			}
			if f := thirdParty(from, imp); f != "" {
				faults = append(faults, f)
			}
		}
	}
	return faults
}

// find gives a package's row, its place in the row and whether those after it
// may import it. Exact names win over patterns, longer patterns over shorter.
func find(name string) (row, place int, open bool) {
	row = -1
	best := ""
	for r, patterns := range rows {
		for i, p := range patterns {
			p, o := strings.CutSuffix(p, " →")
			if ok, _ := path.Match(p, name); !ok {
				continue
			}
			if row < 0 || weight(p) > weight(best) {
				row, place, open, best = r, i, o, p
			}
		}
	}
	return row, place, open
}

func weight(p string) int {
	if !strings.Contains(p, "*") {
		return 1000
	}
	return len(p)
}

func thirdParty(from, imp string) string {
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return "" // standard library
	}
	for mod, who := range owners {
		if imp == mod || strings.HasPrefix(imp, mod+"/") {
			if slices.Contains(who, from) {
				return ""
			}
			return fmt.Sprintf("%s: imports %s, which belongs to %s", from, imp, strings.Join(who, ", "))
		}
	}
	return fmt.Sprintf("%s: imports %s, which no package owns", from, imp)
}
