package store

import (
	"strings"

	"github.com/parquet-go/parquet-go"

	"kanshiki/forensics/event"
)

// textTarget is where a text column of an event lives, nil for what is no
// plain text.
func textTarget(e *event.Event, name string) *string {
	switch name {
	case "exhibit":
		return &e.Exhibit
	case "machine":
		return &e.Machine
	case "precision":
		return (*string)(&e.Precision)
	case "clock":
		return (*string)(&e.Clock)
	case "zone":
		return &e.Zone
	case "meaning":
		return &e.Meaning
	case "artifact":
		return &e.Artifact
	case "action":
		return (*string)(&e.Action)
	case "path":
		return &e.Path
	case "stream":
		return &e.Stream
	case "program":
		return &e.Program
	case "user_sid":
		return &e.UserSID
	case "user":
		return &e.User
	case "host":
		return &e.Host
	case "address":
		return &e.Address
	case "url":
		return &e.URL
	case "device":
		return &e.Device
	case "registry_key":
		return &e.RegistryKey
	case "registry_value":
		return &e.RegistryValue
	case "mail":
		return &e.Mail
	case "sha256":
		return &e.SHA256
	case "message":
		return &e.Message
	case "source_stream":
		return &e.At.Stream
	case "inner":
		return &e.At.Inner
	case "source":
		return &e.Source
	case "record":
		return &e.Record
	case "recovered":
		return (*string)(&e.Recovered)
	}
	return nil
}

// numberSetter puts a number column into an event; nil for other columns.
func numberSetter(name string) func(*event.Event, parquet.Value) {
	switch name {
	case "id":
		return func(e *event.Event, v parquet.Value) { copy(e.ID[:], v.ByteArray()) }
	case "ticks":
		return func(e *event.Event, v parquet.Value) { e.Ticks = event.Ticks(v.Int64()) }
	case "from_ticks":
		return func(e *event.Event, v parquet.Value) { e.From = event.Ticks(v.Int64()) }
	case "to_ticks":
		return func(e *event.Event, v parquet.Value) { e.To = event.Ticks(v.Int64()) }
	case "zone_assumed":
		return func(e *event.Event, v parquet.Value) { e.ZoneAssumed = v.Boolean() }
	case "macb":
		return func(e *event.Event, v parquet.Value) { e.MACB = uint16(v.Int32()) }
	case "entry":
		return func(e *event.Event, v parquet.Value) { e.Entry = uint64(v.Int64()) }
	case "sequence":
		return func(e *event.Event, v parquet.Value) { e.Sequence = uint16(v.Int32()) }
	case "port":
		return func(e *event.Event, v parquet.Value) { e.Port = uint16(v.Int32()) }
	case "bytes_sent":
		return func(e *event.Event, v parquet.Value) { n := v.Int64(); e.BytesSent = &n }
	case "bytes_received":
		return func(e *event.Event, v parquet.Value) { n := v.Int64(); e.BytesReceived = &n }
	case "volume":
		return func(e *event.Event, v parquet.Value) { e.At.Volume = int(v.Int32()) }
	case "snapshot":
		return func(e *event.Event, v parquet.Value) { e.At.Snapshot = int(v.Int32()) }
	case "source_entry":
		return func(e *event.Event, v parquet.Value) { e.At.Entry = uint64(v.Int64()) }
	case "source_sequence":
		return func(e *event.Event, v parquet.Value) { e.At.Sequence = uint16(v.Int32()) }
	case "offset":
		return func(e *event.Event, v parquet.Value) { e.At.Offset = v.Int64() }
	case "length":
		return func(e *event.Event, v parquet.Value) { e.Length = v.Int64() }
	}
	return nil
}

// read fills events with the given rows, column by column.
func (g *group) read(columns []string, rows []int64, to []event.Event, in *interner) error {
	for i := range to {
		to[i] = event.Event{Fact: g.t.facts}
	}
	for _, name := range columns {
		c, ok := g.cursor(name)
		if !ok {
			continue
		}
		set := numberSetter(name)
		last := "" // columns that repeat do so in runs
		for i, r := range rows {
			v, err := c.at(r)
			if err != nil {
				return err
			}
			if v.IsNull() {
				continue
			}
			e := &to[i]
			switch {
			case set != nil:
				set(e, v)
			case name == "fields":
				if e.Fields, err = parseFields(str(v)); err != nil {
					return err
				}
			case name == "text_raw":
				if err := restoreRaw(e, str(v)); err != nil {
					return err
				}
			case name == "message" || name == "path":
				*textTarget(e, name) = strings.Clone(str(v))
			default:
				if p := textTarget(e, name); p != nil {
					if s := str(v); s != last {
						last = in.text(s)
					}
					*p = last
				}
			}
		}
	}
	for i := range to {
		to[i].At.Exhibit = to[i].Exhibit
	}
	return nil
}
