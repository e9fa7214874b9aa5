package main

import (
	"bufio"
	"encoding/hex"
	"strconv"
	"strings"

	"kanshiki/forensics/event"
)

// table writes rows of named fields: a line for people, JSON, or CSV. ks-walk
// list has a faster way of its own.
type table struct {
	w       *bufio.Writer
	format  string
	columns []string
	line    []byte
}

func newTable(w *bufio.Writer, format string, columns ...string) *table {
	if format == "csv" {
		w.WriteString(strings.Join(columns, ",") + "\n")
	}
	return &table{w: w, format: format, columns: columns}
}

// field is one value of a row; json and csv append it without its key. A field
// whose json is nil is left out of JSON and is empty in CSV.
type field struct {
	json, csv func(b []byte) []byte
}

func number[T int | int64 | uint8 | uint16 | uint32 | uint64](v T) field {
	f := func(b []byte) []byte { return strconv.AppendUint(b, uint64(v), 10) }
	if v < 0 {
		f = func(b []byte) []byte { return strconv.AppendInt(b, int64(v), 10) }
	}
	return field{f, f}
}

func word[T ~string](s T) field {
	return field{func(b []byte) []byte { return appendString(b, string(s)) }, func(b []byte) []byte { return appendCell(b, string(s)) }}
}

func moment(t event.Ticks) field {
	return field{func(b []byte) []byte { return appendTimeJSON(b, t) }, func(b []byte) []byte { return t.Append(b, event.Exact) }}
}

// bytesOf is hex, left out where there is nothing.
func bytesOf(v []byte) field {
	if len(v) == 0 {
		return field{}
	}
	return field{func(b []byte) []byte { return append(hex.AppendEncode(append(b, '"'), v), '"') },
		func(b []byte) []byte { return hex.AppendEncode(b, v) }}
}

// absent is a field without a value.
var absent field

func (t *table) row(people string, fields ...field) error {
	b := t.line[:0]
	switch t.format {
	case "jsonl":
		b = append(b, '{')
		for i, f := range fields {
			if f.json == nil {
				continue
			}
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = f.json(append(append(append(b, '"'), t.columns[i]...), '"', ':'))
		}
		b = append(b, '}', '\n')
	case "csv":
		for i, f := range fields {
			if i > 0 {
				b = append(b, ',')
			}
			if f.csv != nil {
				b = f.csv(b)
			}
		}
		b = append(b, '\n')
	default:
		b = append(append(b, people...), '\n')
	}
	t.line = b
	_, err := t.w.Write(b)
	return err
}
