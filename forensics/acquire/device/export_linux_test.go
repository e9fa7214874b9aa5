package device

// OpenCached opens a block device through the page cache, as Open does where
// there is no other way.
func OpenCached(path string) (*Device, error) {
	info := Info{Path: path}
	h, err := openBlock(path, 0, &info)
	if err != nil {
		return nil, err
	}
	return &Device{h: h, info: info, align: 1}, nil
}
