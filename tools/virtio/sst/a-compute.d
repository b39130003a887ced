compute.o: examples/compute.c ../../../include/uapi/linux/virtio_sst.h
../../../include/uapi/linux/virtio_sst.h:
