package document

import (
	"encoding/hex"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/parsers/lnk"
)

// linkFields are the names that events of a shell link carry, in order.
var linkFields = []string{"link", "target", "shell_path", "arguments", "working_dir", "description", "relative_path", "icon", "environment",
	"target_size", "target_attributes", "drive_type", "volume_serial", "volume_label", "share", "share_drive",
	"machine", "machine_mac", "droid_volume", "droid_file", "birth_droid_volume", "birth_droid_file", "droid_time",
	"app_id", "known_folder", "installer", "hot_key", "show", "flags", "items", "text_raw", "bytes_behind_end"}

// linkClockNote is what every card over links says of their times.
const linkClockNote = "times in a link are FILETIME, UTC, and those of the target when the link was last written, by the target's file system (FAT targets: steps of 2 s for modified, a day for accessed); item times have steps of 2 s"

// linkRow makes an event of a link without time and meaning: the target, and
// all that the link says of it. behind is the number of bytes after its end.
func linkRow(in *artifact.Input, l *lnk.Link, behind int64) event.Event {
	e := event.Event{At: in.At, Length: l.End, Recovered: in.State}
	e.Path, e.Entry, e.Sequence = linkTarget(l)
	if sid, u, ok := in.Machine.UserOf(in.Source); ok {
		e.UserSID, e.User = sid, u.Name
	}
	if i := l.Info; i != nil {
		if i.Volume != nil && i.Volume.Type != 3 && i.Volume.Type != 0 {
			e.Device = fmt.Sprintf("volume %08x", i.Volume.Serial)
			if i.Volume.Label.Text != "" {
				e.Device += " " + i.Volume.Label.Text
			}
		}
		if i.Share != nil {
			e.Host, _, _ = strings.Cut(strings.TrimLeft(i.Share.Name.Text, `\`), `\`)
		}
	}
	e.Fields = describeLink(l, behind)
	return e
}

// linkTarget is the target's path, in the form of this volume where it lay on
// a fixed drive C:, and then also its entry by the last item that has one. The
// letter is what that session knew; the volume's serial number stands in the
// fields.
func linkTarget(l *lnk.Link) (path string, entry uint64, seq uint16) {
	path = l.TargetPath()
	if path == "" {
		path = l.ShellPath()
	}
	fixed := l.Info == nil || l.Info.Volume == nil || l.Info.Volume.Type == 3
	if !fixed || len(path) < 3 || path[0] != 'C' && path[0] != 'c' || path[1] != ':' {
		return path, 0, 0
	}
	if v := artifact.VolumePath(path); v != "" {
		path = v
	}
	if n := len(l.Items); n > 0 {
		ref := l.Items[n-1].Ref
		entry, seq = ref&(1<<48-1), uint16(ref>>48)
	}
	return path, entry, seq
}

// linkTime is one of the three times of the target.
type linkTime struct {
	ticks   uint64
	meaning string
	action  event.Action
}

func linkTimes(l *lnk.Link) []linkTime {
	return []linkTime{
		{l.Created, "target created, as the link knew it", event.Created},
		{l.Modified, "target's content modified, as the link knew it", event.Written},
		{l.Accessed, "target accessed, as the link knew it", event.Other},
	}
}

// describeLink lists what is set.
func describeLink(l *lnk.Link, behind int64) []event.Field {
	var f fieldList
	f.text("target", l.TargetPath())
	f.text("shell_path", l.ShellPath())
	f.text("arguments", l.Arguments.Text)
	f.text("working_dir", l.WorkingDir.Text)
	f.text("description", l.Description.Text)
	f.text("relative_path", l.RelativePath.Text)
	icon := l.Icon
	if icon == "" {
		icon = l.IconLocation.Text
	}
	f.text("icon", icon)
	f.text("environment", l.Environment)
	f.add(event.Uint("target_size", l.Size), event.Hex("target_attributes", l.Attributes))
	f.info(l.Info)
	f.tracker(l.Tracker)
	for _, p := range l.Properties {
		if p.Key() == "9f4c2855-9f79-4b39-a8d0-e1d42de1d5f3/5" { // System.AppUserModel.ID
			f.text("app_id", p.Value)
		}
	}
	if l.Known != nil {
		f.text("known_folder", l.Known.ID.String())
	}
	f.text("installer", l.Darwin)
	if l.HotKey != 0 {
		f.add(event.Hex("hot_key", l.HotKey))
	}
	if l.Show != 1 {
		f.add(event.Uint("show", l.Show))
	}
	f.add(event.Hex("flags", l.Flags))
	f.items(l.Items)
	f.raw(l)
	if behind > 0 {
		f.add(event.Int("bytes_behind_end", behind))
	}
	return f
}

// fieldList collects fields; what is empty is left out.
type fieldList []event.Field

func (f *fieldList) add(v ...event.Field) { *f = append(*f, v...) }

func (f *fieldList) text(name, v string) {
	if v != "" {
		f.add(event.Str(name, v))
	}
}

var driveTypes = []string{"unknown", "no root", "removable", "fixed", "remote", "optical", "RAM"}

func (f *fieldList) info(i *lnk.Info) {
	if i == nil {
		return
	}
	if v := i.Volume; v != nil {
		kind := fmt.Sprint(v.Type)
		if int(v.Type) < len(driveTypes) {
			kind = driveTypes[v.Type]
		}
		f.text("drive_type", kind)
		f.text("volume_serial", fmt.Sprintf("%08x", v.Serial))
		f.text("volume_label", v.Label.Text)
	}
	if i.Share != nil {
		f.text("share", i.NetworkPath())
		f.text("share_drive", i.Share.Device.Text)
	}
}

// tracker lists the droids. One of version 1 was made by the machine that the
// file was born on: it holds that machine's network card, and the time when its
// tracking service had started.
func (f *fieldList) tracker(t *lnk.Tracker) {
	if t == nil {
		return
	}
	f.text("machine", t.Machine.Text)
	f.text("machine_mac", t.BirthFile.MAC())
	f.text("droid_volume", t.Volume.String())
	f.text("droid_file", t.File.String())
	if t.BirthVolume != t.Volume || t.BirthFile != t.File {
		f.text("birth_droid_volume", t.BirthVolume.String())
		f.text("birth_droid_file", t.BirthFile.String())
	}
	if n := t.BirthFile.Time(); n != 0 {
		f.add(event.When("droid_time", event.Ticks(n)))
	}
}

// items lists each step of the target with what the shell knew of it.
func (f *fieldList) items(items []lnk.Item) {
	var out []string
	for _, it := range items {
		s := string(it.Kind) + " " + it.Name
		if it.Name == "" {
			s = string(it.Kind) + " " + it.GUID.String()
		}
		if it.Short.Text != "" && it.Short.Text != it.Name {
			s += " (" + it.Short.Text + ")"
		}
		for _, t := range []struct {
			name string
			at   uint64
		}{{"modified", it.Modified}, {"created", it.Created}, {"accessed", it.Accessed}} {
			if t.at != 0 {
				s += "; " + t.name + " " + event.Ticks(t.at).Format(event.TwoSecond)
			}
		}
		if it.Ref != 0 {
			s += fmt.Sprintf("; entry %d-%d", it.Ref&(1<<48-1), it.Ref>>48)
		}
		out = append(out, s)
	}
	if out != nil {
		f.add(event.List("items", out))
	}
}

// raw keeps the bytes of text that was stored in a code page and is not ASCII:
// the page is presumed.
func (f *fieldList) raw(l *lnk.Link) {
	var out []string
	keep := func(name string, t lnk.Text) {
		for _, c := range t.Raw {
			if c >= 0x80 {
				out = append(out, name+" "+hex.EncodeToString(t.Raw))
				return
			}
		}
	}
	keep("description", l.Description)
	keep("relative path", l.RelativePath)
	keep("working directory", l.WorkingDir)
	keep("arguments", l.Arguments)
	if i := l.Info; i != nil {
		keep("local path", i.Local)
		keep("path suffix", i.Suffix)
		if i.Volume != nil {
			keep("volume label", i.Volume.Label)
		}
		if i.Share != nil {
			keep("share", i.Share.Name)
		}
	}
	for _, it := range l.Items {
		keep("item", it.Short)
	}
	if out != nil {
		f.add(event.List("text_raw", out))
	}
}
