"""ONNX Runtime, on what PyTorch exports. See `worker.py`."""

import os
import tempfile
import warnings

import onnxruntime
import torch

from torch_networks import started
from worker import Variant, loss_of, serve

warnings.simplefilter("ignore")
onnxruntime.set_default_logger_severity(3)


def prediction(name, batch, is_traced):
    """The exported network, with its input and its output in place."""
    module, x, target, n = started(name, batch)
    module.eval()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "network.onnx")
        with torch.no_grad():
            output = module(x)
            torch.onnx.export(module, (x,), path, dynamo=not is_traced, verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["COMPARE_THREADS"])
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input(session.get_inputs()[0].name, x.numpy())
    place = onnxruntime.OrtValue.ortvalue_from_numpy(output.numpy())
    binding.bind_ortvalue_output(session.get_outputs()[0].name, place)

    def losses():
        session.run_with_iobinding(binding)
        return [loss_of(name, place.numpy(), target.numpy())]

    return lambda: session.run_with_iobinding(binding), n, losses


def variants_of(name, what, batch):
    if what == "train":
        return []
    return [
        Variant("traced", lambda: prediction(name, batch, True)),
        Variant("exported", lambda: prediction(name, batch, False)),
    ]


serve(variants_of)
