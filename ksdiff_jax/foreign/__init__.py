"""Reads files of other programs as plain data: their content is never executed, and their headers
are never trusted without a check.

stand_ins.py       inert values in place of classes, functions and objects
pickle_machine.py  the stack machine that executes the instructions of a pickle
pickle_instructions.py  the instructions of a pickle as steps of that machine
inert_pickle.py    a pickle's value, interpreted with stand-ins only
pickle_names.py    the names that a pickle may contain, and the stand-in of each
pickled_arrays.py  arrays, data types and scalars as NumPy pickles them
pickled_sparse.py  SciPy's sparse matrices, chumpy's arrays
torch_tensors.py   tensors and storages as PyTorch pickles them
torch_file.py      .pth, .pt and .bin files, zipped and legacy, without PyTorch
pickle_file.py     a pickle on disk, compressed or not, and its values as arrays
array_archive.py   .npz files
tensor_file.py     .safetensors files
file_kind.py       the format of a file from its first bytes, for any name
"""
