"""Files of other programs, read as plain data: nothing in them runs, and nothing they claim is
believed unchecked.

inert_pickle.py    the instructions of a pickle, carried out on stand-ins only
pickle_names.py    which names a pickle may mention, and what stands in for each
pickled_arrays.py  arrays, data types and scalars as NumPy pickles them
pickled_sparse.py  SciPy's sparse matrices, chumpy's arrays
torch_tensors.py   tensors and storages as PyTorch pickles them
torch_file.py      .pth, .pt and .bin files, zipped and legacy, without PyTorch
pickle_file.py     a pickle on disk, compressed or not, and its values as arrays
array_archive.py   .npz files
tensor_file.py     .safetensors files
file_kind.py       what a file is by its first bytes, whatever it is called
"""
