package evidence

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"kanshiki/parsers/container"
	"kanshiki/parsers/vmdk"
)

const formatVMDK = "VMDK (flat, sparse, split at 2 GB, streamOptimized, ESX; snapshots with their parents)"

// isVMDK tells whether a file is a descriptor of VMware or a sparse extent.
// Flat extents are known by the descriptor beside them: see flatVMDK.
func isVMDK(head, _ []byte) bool { return vmdk.Identify(head) != vmdk.NotVMDK }

// openVMDK opens a virtual disk by its descriptor or by one of its extents.
func openVMDK(ctx context.Context, path string, o Options) (Image, []string, error) {
	p := &pool{opener: o.opener()}
	f, err := p.main(path)
	if err != nil {
		return nil, nil, err
	}
	var notes []string
	if d, _ := vmdk.ReadDescriptor(f); d == nil { // an extent of a set
		if first, note := p.descriptorOf(path); first != "" {
			notes = append(notes, note)
			path = first
			if f, err = p.main(path); err != nil {
				return nil, nil, err
			}
		}
	}
	d, err := vmdk.Open(f, vmdk.Options{CacheBytes: o.CacheBytes, Workers: o.Workers,
		Open: func(name string) (container.File, error) {
			if err := ctx.Err(); err != nil {
				return container.File{}, err
			}
			return p.beside(path, name)
		}})
	if err != nil {
		p.Close()
		if errors.Is(err, vmdk.ErrUnsupported) {
			return nil, nil, &NotAnImage{path, "VMDK: " + err.Error()}
		}
		return nil, nil, &Broken{path, err}
	}
	for _, err := range d.Missing() {
		notes = append(notes, fmt.Sprintf("not used: %v", err))
	}
	notes = append(notes, p.snapshotsOf(path, d.Descriptor())...)
	return &diskImage{Disk: d.Disk, pool: p, problems: d.Problems, bare: !d.Checked(), info: Info{
		Format: "VMDK", Variant: d.Descriptor().CreateType, Segments: d.Files(), Fields: fields(d.Fields())}}, notes, nil
}

// flatVMDK opens the set of which a file is a flat extent, if one beside it
// says so: such an extent looks like a raw image.
func flatVMDK(ctx context.Context, path string, o Options) (Image, []string, error) {
	if !isVMDKName(path) {
		return nil, nil, nil
	}
	p := &pool{opener: o.opener()}
	first, note := p.descriptorOf(path)
	p.Close()
	if first == "" {
		return nil, nil, nil
	}
	img, notes, err := openVMDK(ctx, first, o)
	return img, append([]string{note}, notes...), err
}

// maxBeside is how many files of a folder are looked into for a descriptor.
const maxBeside = 4096

// descriptors reads the descriptors in a folder but that of one file, by name.
func (p *pool) descriptors(dir, but string) (names []string, all []*vmdk.Descriptor) {
	like := func(name string) bool { return name != but && isVMDKName(name) }
	for i, name := range filesBeside(p.opener, dir, like) {
		if i == maxBeside {
			break
		}
		f, err := p.main(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if d, err := vmdk.ReadDescriptor(f); err == nil && d != nil {
			names, all = append(names, name), append(all, d)
		}
	}
	return names, all
}

// descriptorOf finds the descriptor that names a file as its extent, "" where
// there is none.
func (p *pool) descriptorOf(path string) (first, note string) {
	base := filepath.Base(path)
	var found []string
	names, all := p.descriptors(filepath.Dir(path), filepath.Base(path))
	for i, d := range all {
		if !d.Embedded && slices.ContainsFunc(d.Extents, func(e vmdk.Extent) bool { return strings.EqualFold(baseName(e.Name), base) }) {
			found = append(found, names[i])
		}
	}
	if len(found) == 0 {
		return "", ""
	}
	use := found[0]
	for _, name := range found {
		if strings.HasPrefix(strings.ToLower(base), strings.ToLower(strings.TrimSuffix(name, filepath.Ext(name)))) {
			use = name
		}
	}
	note = fmt.Sprintf("%s is an extent; opened the set from %s", base, use)
	if len(found) > 1 {
		note += fmt.Sprintf(" (%s name it too)", strings.Join(slices.DeleteFunc(found, func(s string) bool { return s == use }), ", "))
	}
	return filepath.Join(filepath.Dir(path), use), note
}

// snapshotsOf tells of disks beside that go on where this one ends: the
// machine's last state is not in the disk that was opened.
func (p *pool) snapshotsOf(path string, own *vmdk.Descriptor) (notes []string) {
	names, all := p.descriptors(filepath.Dir(path), filepath.Base(path))
	for i, d := range all {
		if d.ParentCID == own.CID && d.ParentCID != vmdk.NoParent && strings.EqualFold(baseName(d.ParentName), filepath.Base(path)) {
			notes = append(notes, fmt.Sprintf("%s is a snapshot on top of %s: later content is there", names[i], filepath.Base(path)))
		}
	}
	return notes
}

// vmdkSet finds the disk of a folder that holds the files of one machine's one
// disk and nothing else, "" where it is anything else. Of a disk and its
// snapshots it is the last: the others are its parents.
func vmdkSet(op Opener, dir string, names []string) string {
	beside := []string{".vmdk", ".vmx", ".vmxf", ".vmsd", ".vmsn", ".vmem", ".vmss", ".vswp", ".nvram", ".ovf", ".mf"}
	for _, name := range names {
		if !slices.Contains(beside, strings.ToLower(filepath.Ext(name))) {
			return ""
		}
	}
	p := &pool{opener: op}
	defer p.Close()
	disks, all := p.descriptors(dir, "")
	parents := map[string]bool{}
	for _, d := range all {
		if d.ParentCID != vmdk.NoParent {
			parents[strings.ToLower(baseName(d.ParentName))] = true
		}
	}
	disks = slices.DeleteFunc(disks, func(name string) bool { return parents[strings.ToLower(name)] })
	if len(disks) != 1 {
		return ""
	}
	return filepath.Join(dir, disks[0])
}

func isVMDKName(name string) bool { return strings.EqualFold(filepath.Ext(name), ".vmdk") }

// baseName is the last part of a path of any system.
func baseName(name string) string { return name[strings.LastIndexAny(name, `/\`)+1:] }
