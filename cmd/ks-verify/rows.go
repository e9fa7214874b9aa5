package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/evidence"
)

// row is one check of one image.
type row struct {
	image string
	evidence.Check
	sector int // bytes
}

// rows prints the checks in the format that was asked for.
type rows struct {
	format  string
	w       io.Writer
	csv     *csv.Writer
	quiet   bool
	verbose bool
}

func newRows(format string, w io.Writer, quiet, verbose bool) *rows {
	r := &rows{format: format, w: w, quiet: quiet, verbose: verbose}
	if format == "csv" {
		r.csv = csv.NewWriter(w)
		r.csv.Write([]string{"image", "check", "verdict", "detail", "ranges"}) // end tells of an error
	}
	return r
}

// begin prints what the image is, for people.
func (r *rows) begin(e *evidence.Evidence) error {
	if r.format != "text" || r.quiet {
		return nil
	}
	var in evidence.Info
	size := "files, no sectors"
	if e.Image == nil {
		in = e.Tree.Info()
	} else {
		in = e.Image.Info()
		size = fmt.Sprintf("%s bytes, %d-byte sectors", cli.Count(e.Image.Size()), e.Image.SectorSize())
	}
	what := in.Format
	if in.Variant != "" {
		what += ", " + in.Variant
	}
	_, err := fmt.Fprintf(r.w, "%s  %s, %s\n", escape.Text(e.Name), escape.Text(what), size)
	if err != nil || !r.verbose {
		return err
	}
	say := func(name, text string) {
		if text != "" {
			fmt.Fprintf(r.w, "  %-20s  %s\n", escape.Text(name), escape.Text(text))
		}
	}
	say("exhibit", e.Exhibit)
	say("set identifier", in.GUID)
	say("segments", fmt.Sprintf("%d, %s to %s", len(in.Segments), in.Segments[0], in.Segments[len(in.Segments)-1]))
	for _, f := range in.Fields {
		say(f.Name, f.Value)
	}
	return nil
}

// broken adds a container that is too damaged to open.
func (r *rows) broken(path string, b *evidence.Broken) error {
	return r.add(row{filepath.Base(path), evidence.Check{Name: "structure", Verdict: evidence.Fail, Detail: b.Err.Error()}, 512})
}

// addAll adds the checks of one image and tells whether all is in order.
func (r *rows) addAll(image string, checks []evidence.Check, sector int) (bool, error) {
	ok := true
	for _, c := range checks {
		ok = ok && c.Verdict != evidence.Fail
		if err := r.add(row{image, c, sector}); err != nil {
			return false, err
		}
	}
	return ok, nil
}

func (r *rows) add(x row) error {
	if r.quiet && (x.Verdict == evidence.Pass || x.Verdict == evidence.NotCheckable && (x.Name == "signature" || x.Name == "custody")) {
		return nil // papers that nobody promised
	}
	switch r.format {
	case "jsonl":
		return r.json(x)
	case "csv":
		var parts []string
		for _, g := range x.Ranges {
			parts = append(parts, fmt.Sprintf("%#x+%#x %s", g.Off, g.Len, g.Kind))
		}
		return r.csv.Write([]string{x.image, x.Name, string(x.Verdict), x.Detail, strings.Join(parts, "; ")})
	}
	return r.text(x)
}

// jsonRange is a range in the rows of --format jsonl.
type jsonRange struct {
	Offset      int64  `json:"offset"`
	Length      int64  `json:"length"`
	FirstSector int64  `json:"first_sector"`
	Sectors     int64  `json:"sectors"`
	Kind        string `json:"kind"`
}

func (r *rows) json(x row) error {
	out := struct {
		Image   string      `json:"image"`
		Check   string      `json:"check"`
		Verdict string      `json:"verdict"`
		Detail  string      `json:"detail"`
		Ranges  []jsonRange `json:"ranges"`
	}{x.image, x.Name, string(x.Verdict), x.Detail, []jsonRange{}}
	for _, g := range x.Ranges {
		first, n := sectors(g, x.sector)
		out.Ranges = append(out.Ranges, jsonRange{g.Off, g.Len, first, n, string(g.Kind)})
	}
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.w, "%s\n", b)
	return err
}

const maxShown = 20 // ranges of a check in text; the other formats have all

func (r *rows) text(x row) error {
	verdict := string(x.Verdict)
	if x.Verdict == evidence.Fail {
		verdict = "FAIL"
	}
	if r.quiet {
		fmt.Fprintf(r.w, "%s", escape.Text(x.image))
	}
	if _, err := fmt.Fprintf(r.w, "  %-10s %-13s  %s\n", x.Name, verdict, escape.Text(x.Detail)); err != nil {
		return err
	}
	if x.Name == "digests" { // the ranges stand under the checks that found them
		return nil
	}
	for i, g := range x.Ranges {
		if i == maxShown {
			_, err := fmt.Fprintf(r.w, "%27s and %d more ranges: --format jsonl lists all\n", "", len(x.Ranges)-i)
			return err
		}
		first, n := sectors(g, x.sector)
		if _, err := fmt.Fprintf(r.w, "%27s sectors %s to %s %s (%s bytes at %#x)\n", "", cli.Count(first), cli.Count(first+n-1),
			g.Kind, cli.Count(g.Len), g.Off); err != nil {
			return err
		}
	}
	return nil
}

// sectors are those that a range touches.
func sectors(g evidence.Range, size int) (first, n int64) {
	s := int64(size)
	first = g.Off / s
	return first, (g.Off+g.Len+s-1)/s - first
}

func (r *rows) end() error {
	if r.csv == nil {
		return nil
	}
	r.csv.Flush()
	return r.csv.Error()
}
