package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/picture"
	"kanshiki/forensics/volume"
)

// picture prints what the image holds: lines of text, or one row of all.
func (r *rows) picture(ctx context.Context, e *evidence.Evidence, p *picture.Picture) error {
	if err := p.Files(ctx, e, 0); err != nil {
		return err
	}
	p.Judge(nil)
	if r.format == "jsonl" {
		b, err := json.Marshal(struct {
			Image   string           `json:"image"`
			Check   string           `json:"check"`
			Picture *picture.Picture `json:"picture"`
		}{e.Name, "picture", p})
		if err == nil {
			_, err = fmt.Fprintf(r.w, "%s\n", b)
		}
		return err
	}
	if r.format != "text" {
		return nil
	}
	for i, l := range p.Lines(64) {
		fmt.Fprintf(r.w, "  %-10s %s\n", []string{"picture", ""}[i], l)
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(r.w, "  %-10s %s\n", "LOOK", escape.Text(w))
	}
	return nil
}

const maxFiles = 20 // named in text; jsonl has all

// files names what lies in the damaged parts of the medium, where there is a
// file system to tell.
func (r *rows) files(ctx context.Context, e *evidence.Evidence, checks []evidence.Check) error {
	if r.format == "csv" {
		return nil
	}
	var bad []evidence.Range
	for _, c := range checks {
		for _, x := range c.Ranges {
			if x.Kind != evidence.Unreadable && !slices.Contains(bad, x) {
				bad = append(bad, x)
			}
		}
	}
	if len(bad) == 0 {
		return nil
	}
	vols, _ := volume.List(e.Image, e.Exhibit, e.Name)
	for _, v := range vols {
		if v.Kind != volume.NTFS {
			continue
		}
		var parts []filesystem.Part
		for _, x := range bad {
			lo, hi := max(x.Off, v.Off), min(x.Off+x.Len, v.Off+v.Len)
			if lo < hi {
				parts = append(parts, filesystem.Part{Off: lo - v.Off, Len: hi - lo})
			}
		}
		if len(parts) == 0 {
			continue
		}
		n, err := filesystem.OpenNTFS(ctx, io.NewSectionReader(e.Image, v.Off, v.Len), v.Len, filesystem.Options{
			At: locator.Locator{Exhibit: e.Exhibit, Volume: v.Number}, Base: v.Off})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if r.format == "text" {
				fmt.Fprintf(r.w, "  %-10s volume %d: which files lie there cannot be told: %s\n", "files", v.Number, escape.Text(err.Error()))
			}
			continue
		}
		found, err := n.FilesIn(ctx, parts)
		if err != nil {
			return err
		}
		if err := r.touched(e.Name, v.Number, found); err != nil {
			return err
		}
	}
	return nil
}

// touched prints the files of one volume.
func (r *rows) touched(image string, vol int, found []filesystem.Touched) error {
	if r.format == "jsonl" {
		for _, t := range found {
			b, err := json.Marshal(struct {
				Image    string `json:"image"`
				Check    string `json:"check"`
				Volume   int    `json:"volume"`
				Entry    uint64 `json:"entry"`
				Sequence uint16 `json:"sequence"`
				State    string `json:"state"`
				Path     string `json:"path"`
				Stream   string `json:"stream"`
				Record   bool   `json:"record"`
				Bytes    int64  `json:"bytes"`
			}{image, "files", vol, t.Ref.Entry, t.Ref.Sequence, string(t.State), escape.Text(t.Path), escape.Text(t.Stream), t.Record, t.Bytes})
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(r.w, "%s\n", b); err != nil {
				return err
			}
		}
		return nil
	}
	if len(found) == 0 {
		_, err := fmt.Fprintf(r.w, "  %-10s volume %d: no file lies there\n", "files", vol)
		return err
	}
	for i, t := range found {
		if i == maxFiles {
			_, err := fmt.Fprintf(r.w, "%13sand %s more: --format jsonl lists all\n", "", cli.Count(int64(len(found)-i)))
			return err
		}
		what := t.Path
		if t.Stream != "" {
			what += ":" + t.Stream
		}
		if t.Record {
			what += "  (its record in the $MFT)"
		} else {
			what += fmt.Sprintf("  (%s bytes)", cli.Count(t.Bytes))
		}
		left := ""
		if i == 0 {
			left = "files"
		}
		if _, err := fmt.Fprintf(r.w, "  %-10s volume %d  %d-%d %s  %s\n", left, vol, t.Ref.Entry, t.Ref.Sequence, t.State, escape.Text(what)); err != nil {
			return err
		}
	}
	return nil
}
