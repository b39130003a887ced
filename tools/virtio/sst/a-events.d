events.o: examples/events.c ../../../include/uapi/linux/virtio_sst.h
../../../include/uapi/linux/virtio_sst.h:
