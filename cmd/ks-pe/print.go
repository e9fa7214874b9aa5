package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/program"
)

// printer writes rows in one of the formats.
type printer struct {
	format string
	quiet  bool
	w      *bufio.Writer
	csv    *csv.Writer
	rows   int
}

func newPrinter(format string, stdout io.Writer, quiet bool) *printer {
	p := &printer{format: format, quiet: quiet, w: bufio.NewWriter(stdout)}
	if format == "csv" {
		p.csv = csv.NewWriter(p.w)
		_ = p.csv.Write(columns)
	}
	return p
}

func (p *printer) row(f *program.Facts) error {
	p.rows++
	switch p.format {
	case "jsonl":
		e := json.NewEncoder(p.w)
		e.SetEscapeHTML(false)
		if err := e.Encode(f); err != nil {
			return err
		}
	case "csv":
		if err := p.csv.Write(cells(f)); err != nil {
			return err
		}
	default:
		p.text(f)
	}
	return p.w.Flush()
}

func (p *printer) end() error {
	if p.csv != nil {
		p.csv.Flush()
		if err := p.csv.Error(); err != nil {
			return err
		}
	}
	return p.w.Flush()
}

// columns of CSV: what fits a cell; JSON has everything.
var columns = []string{"file", "size", "sha256", "sha1", "md5", "kind", "machine", "timestamp", "sections", "imports", "imphash", "exports",
	"overlay_offset", "overlay_size", "pdb", "rich_hash", "signature_state", "signature_by", "digest_alg", "digest_match", "signers",
	"catalogue", "known", "facts", "problems"}

func cells(f *program.Facts) []string {
	alg, match, overlay, known := "", "", "", ""
	var signers []string
	if s := f.Signature; s != nil {
		alg = s.DigestAlg
		if s.DigestMatch != nil {
			match = strconv.FormatBool(*s.DigestMatch)
		}
		for _, g := range s.Signers {
			signers = append(signers, g.Name)
		}
	}
	if f.OverlayOffset != nil {
		overlay = strconv.FormatInt(*f.OverlayOffset, 10)
	}
	if f.Known != nil {
		known = strings.TrimSpace(f.Known.List + " " + f.Known.Name)
	}
	var facts []string
	for _, x := range f.Facts {
		facts = append(facts, x.Name+"="+x.Value)
	}
	out := []string{f.File, strconv.FormatInt(f.Size, 10), f.SHA256, f.SHA1, f.MD5, f.Kind, f.Machine, strconv.FormatUint(uint64(f.Timestamp), 10),
		strconv.Itoa(len(f.Sections)), strconv.Itoa(f.Imports), f.Imphash, strconv.Itoa(f.Exports), overlay, strconv.FormatInt(f.OverlaySize, 10),
		f.PDB, f.RichHash, string(f.State), f.StateBy, alg, match, strings.Join(signers, "; "), f.Catalogue, known,
		strings.Join(facts, "; "), strconv.Itoa(len(f.Problems))}
	for i := range out {
		out[i] = escape.CSV(out[i])
	}
	return out
}

// machines are the names of the common ones.
var machines = map[string]string{"0x014c": "x86", "0x8664": "x64", "0xaa64": "ARM64", "0x01c0": "ARM", "0x01c4": "ARM Thumb-2", "0x0200": "Itanium", "0x0ebc": "EFI byte code"}

// text prints a program for people: a head of a few lines, then the facts.
func (p *printer) text(f *program.Facts) {
	if p.rows > 1 {
		fmt.Fprintln(p.w)
	}
	fmt.Fprintln(p.w, f.File)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(p.w, "  %-11s %s\n", what, fmt.Sprintf(format, args...))
	}
	if f.SHA256 != "" {
		line("sha256", "%s", f.SHA256)
	} else {
		line("sha256", "not computed: the content could not be read whole")
	}
	if !f.IsProgram {
		if f.NotProgram != "" {
			line("is", "%s", f.NotProgram)
		}
		p.troubles(f, line)
		return
	}
	machine := f.Machine
	if m := machines[machine]; m != "" {
		machine = m + " (" + machine + ")"
	}
	line("is", "%s for %s, %d bytes, %s, %s imported from %s, %s exported", f.Kind, machine, f.Size,
		plural(len(f.Sections), "section"), plural(f.Imports, "name"), plural(len(f.ImportLibraries), "library"), plural(f.Exports, "name"))
	if f.Imphash != "" {
		line("imphash", "%s", f.Imphash)
	}
	p.sections(f, line)
	p.signature(f, line)
	if f.Known != nil {
		line("known", "%s", strings.TrimSpace(f.Known.List+" "+f.Known.Name))
	}
	for i, x := range f.Facts {
		what := ""
		if i == 0 {
			what = "facts"
		}
		value := x.Name + ": " + x.Value
		line(what, "%s", value)
		if !p.quiet {
			line("", "  does not prove %s", x.NotProven)
		}
	}
	p.troubles(f, line)
}

func (p *printer) sections(f *program.Facts, line func(string, string, ...any)) {
	const most = 16
	for i, s := range f.Sections {
		what := ""
		if i == 0 {
			what = "sections"
		}
		if i == most {
			line("", "and %d more", len(f.Sections)-most)
			return
		}
		line(what, "%-8s at 0x%08x, %d bytes, in the file %d at 0x%x, entropy %.2f", s.Name, s.VirtualAddress, s.VirtualSize, s.RawSize, s.RawOffset, s.Entropy)
	}
}

func (p *printer) signature(f *program.Facts, line func(string, string, ...any)) {
	state := string(f.State)
	if f.StateBy != "" {
		state += " (" + f.StateBy + ")"
	}
	if f.State == program.Unknown && f.Signature == nil {
		state = "none in the file; unknown whether a catalogue names it"
	}
	line("signature", "%s", state)
	if f.Catalogue != "" {
		line("", "%s, signed by %s", f.Catalogue, strings.Join(f.CatalogueSigner, "; "))
	}
	if f.Signature == nil {
		return
	}
	for _, s := range f.Signature.Signatures {
		match := "not compared"
		if s.DigestMatch != nil {
			match = map[bool]string{true: "fits", false: "differs, calculated " + s.DigestCalculated}[*s.DigestMatch]
		}
		line("", "%s %s: %s", s.DigestAlg, s.DigestStored, match)
	}
	for _, s := range f.Signature.Signers {
		line("", "signer %s, serial %s, issued by %s, valid %s to %s; signature %s", s.Subject, s.Serial, s.Issuer, s.NotBefore, s.NotAfter, s.SignatureIntact)
		for _, c := range s.Countersigned {
			line("", "  countersigned %s by %s", c.Time, c.Signer)
		}
	}
}

// troubles are all problems of the row; those that lost something were told on
// standard error too.
func (p *printer) troubles(f *program.Facts, line func(string, string, ...any)) {
	const most = 10
	for i, x := range f.Problems {
		what := ""
		if i == 0 {
			what = "problems"
		}
		if i == most {
			line("", "and %d more", len(f.Problems)-most)
			return
		}
		line(what, "%s at 0x%x: %s", x.Kind, x.Offset, x.Found)
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	if strings.HasSuffix(word, "y") {
		return strconv.Itoa(n) + " " + strings.TrimSuffix(word, "y") + "ies"
	}
	return strconv.Itoa(n) + " " + word + "s"
}
